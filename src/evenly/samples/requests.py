"""A pool of texts for `evenly demo`: requests to an assistant, as repetitive as real ones are."""

from __future__ import annotations

# What people ask for: the first much more often than the last.
_TASKS = """
boil an egg
write a cover letter
sort a list in Python
lose weight
learn Spanish
bake bread
fix a bicycle tyre
invest my savings
sleep better
summarise a long report
train a puppy
prepare for a job interview
grow tomatoes
make friends in a new city
solve a quadratic equation
plan a wedding
reset a forgotten password
calm a crying baby
play the guitar
remove a wine stain
find a cheap flight
clean a cast-iron pan
choose a mattress
stop biting my nails
merge two spreadsheets
explain inflation to a child
write a haiku about rain
file a tax return
draw a horse
read a balance sheet
start a podcast
train for a marathon
take care of an orchid
debug a memory leak in C
negotiate a higher salary
translate a poem from Latin
sharpen a kitchen knife
name a newborn kitten
quit smoking
photograph the night sky
brew coffee without a machine
get rid of mice
cite a source in an essay
set up a home network
paint a wooden fence
treat a sunburn
memorise a long speech
repair a leaking tap
write a will
organise a school reunion
knit a scarf
prove that the square root of two is irrational
jump-start a car
keep bees
apply for a patent
identify a mushroom
tie a bow tie
restore an old photograph
compost kitchen waste
sail against the wind
read sheet music
calibrate a telescope
break in new leather boots
pitch a tent in a storm
balance a chemical equation
fold a paper crane
appeal against a parking fine
milk a goat
tune a piano
date a Roman coin
forge a horseshoe
navigate by the stars
deliver a eulogy
splice a rope
graft an apple tree
decline a Latin noun
dowse for water
bind a book by hand
winterise a beehive
decipher an old parish register
""".strip().splitlines()

_QUESTIONS = (
    "How do I {}",
    "How can I {}",
    "What is the best way to {}",
    "Can you show me how to {}",
    "Where do I learn how to {}",
)
_REQUESTS = (
    "Explain how to {}",
    "I want to {}",
    "Help me {}",
    "Please tell me how to {}",
    "Give me instructions on how to {}",
)
_ADDED = (
    *("", " step by step", " as a beginner", " quickly"),
    *(" today", " on my own", " without mistakes", " the easy way"),
)


def demo_requests() -> list[dict[str, str]]:
    """Return records {"task", "text"}: 80 tasks, the most common ones in 80 wordings.

    The number of wordings falls with the rank of the task, down to 2; no text occurs twice.
    """
    wordings = [
        f"{begin}{added}{end}"
        for added in _ADDED
        for pair in zip(_QUESTIONS, _REQUESTS, strict=True)
        for begin, end in zip(pair, "?.", strict=True)
    ]
    return [
        {"task": task, "text": wording.format(task)}
        for rank, task in enumerate(_TASKS)
        for wording in wordings[: max(2, len(wordings) * 8 // (8 + rank) - rank // 4)]
    ]
