"""Every decision: what was asked for, and what the read model says -> the events to append. Nothing is stored here.

Names are checked, values encoded and clocks compared before an event exists, so what is refused has written nothing.
"""
