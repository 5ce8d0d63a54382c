"""The story: an incident from the first bad deploy to its postmortem, through the API.

It runs over any server: `run_story` in real time, and a test with a stepped clock.
"""
