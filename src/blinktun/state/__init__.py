"""What outlives a process: the openings that a server has accepted.

``folder`` finds the folder for such files, ``openings`` remembers openings in memory and in a file.
"""
