"""The kcptun matrix: what shapes the wire, in every combination, between ours and Go's.

`cell` is one combination and how it is tried, `spaces` says which ones there are, `pairwise` picks
few that still hold every pair of values, `page` draws the table. `python -m tests.interop.matrix`
(`make matrix`) tries all of them; `test_kcptun_matrix.py` a part, another one in each run.
"""
