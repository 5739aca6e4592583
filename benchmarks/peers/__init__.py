"""The contestants, a file each: a function of the input makes a Contestant.

What a peer does is what its own users would write for the work; what it cannot
do it leaves out.
"""
