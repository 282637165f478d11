"""Which peers a server serves, and which targets.

``access`` applies the rules of a configuration; ``targets`` judges addresses that no rule opens. A
peer is **unauthenticated** until it has named a target with the right key (``unauthenticated``);
``redirect`` answers a peer that never does, and as a ``shadow`` hears one that is undecided.
"""
