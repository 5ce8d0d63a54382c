"""On-call schedules: the user on call at any time, by rotations in the wall-clock time of a zone.

At every instant a schedule has exactly one user or a gap with a reason. An override has precedence
over the layers, and a later layer over an earlier one. Users that were deactivated leave the shifts
after that time, and remain in those before it.
"""
