"""The settings of one installation: find profile.yaml, check all of it at once, hand it on as records.

Nothing is imported here: `systemprompt.profile.find` and `.cache` are on the path of every command and must stay light.
"""
