"""Sans-IO byte transformers, one a file, composed into a pipeline per connection.

The nouns of the room: a **preset** (``base``) turns bytes into effects in two directions, *encode*
towards the wire and *decode* towards the application; the **registry** turns the ``presets`` of a
configuration into a maker of **pipelines**; a **pipeline** runs the presets of one connection in
order and folds their effects. ``socks_address`` is the form in which several of them write targets.

A new preset is one file here and one line in ``registry``. May import: ``errors``, ``address``,
``effects``, ``config.model``, ``crypto``.
"""
