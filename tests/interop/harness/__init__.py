"""Real programs on loopback: ours and the originals, interchangeable box by box.

| module | what it offers |
| --- | --- |
| `ports` | free ports, and whether somebody listens |
| `processes` | `Program`: start, wait until ready, log, kill |
| `peers` | where the original programs are |
| `boxes` | one function for each box of the picture |
| `picture` | the four example files, moved to free ports |
| `pattern` | bytes whose place in a stream is known |
| `target` | the TCP server at the far end |
| `traffic` | the application at the near end |
| `together` | many checks in one test |
| `website` | a page of fifty resources, for a browser |
"""
