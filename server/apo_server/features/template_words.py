"""What helpers, roles, data variables and markers do, in a sentence each."""

from __future__ import annotations

HELPERS = {
    "if": "What stands in the block is there if the value is: not missing, empty, false or 0.",
    "unless": "What stands in the block is there if the value is missing, empty, false or 0.",
    "each": "What stands in the block is repeated for each item; `as |item index|` names them.",
    "with": "In the block, names are fields of the value.",
    "ifEquals": "What stands in the block is there if the two values are the same.",
    "unlessEquals": "What stands in the block is there if the two values differ.",
    "else": "What follows is there where what stands before is not.",
    "role": "What follows is a message of that role, up to the next role.",
    "json": "The value as JSON; `indent=2` sets it on several lines.",
    "history": "The messages of the conversation so far stand here.",
    "media": 'An image or other file: `{{media url=picture}}`, with `contentType="image/png"` where it is not plain.',
    "section": "A place that a program may fill in under that name.",
    "lookup": "A field whose name is a value itself: `{{lookup table key}}`.",
    "log": "Writes the value into the log; nothing stands here.",
}
ROLE_WORDS = {
    "system": "What the model is to be and do. This is the text that is optimized.",
    "user": "What the user says; here the inputs usually stand.",
    "model": "What the model has answered, as an example or an earlier turn.",
    "tool": "What a tool has given back.",
}
DATA = {
    "@root": "All inputs, from within any block.",
    "@index": "The number of the item, from 0.",
    "@first": "Whether this is the first item.",
    "@last": "Whether this is the last item.",
    "@key": "The name of the field, where the block goes through a map.",
    "@metadata": "What the program knows of the call.",
}
MARKERS = {
    "apo:keep": "What follows, up to apo:end, is never rewritten.",
    "apo:exemplars": "What follows, up to apo:end, are rows shown as examples; a search may exchange them.",
    "apo:end": "The marked region ends here.",
}
