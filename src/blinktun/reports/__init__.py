"""What a running program tells about itself: counters in files and lines, and profiles over HTTP.

The nouns of the room: a **column** is one of Go's counters by its name in a file; a **Go time
pattern** is a file name with a date in it; a **page** is what the HTTP server answers for a path.
"""
