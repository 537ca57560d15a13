"""The texts of `evenly help TOPIC`, for topics other than a command or a single option."""

from __future__ import annotations

TOPICS = {
    "budget": """\
A whole number is a number of rows; a number with a point is a fraction of the usable rows. So
1 is one row, and 1.0 is all of them.

The first rows are the answer for every smaller budget: of 500 chosen rows, the first 100 are
those that --budget 100 chooses. To choose more later: evenly extend MANIFEST --budget ROWS.

How many rows? `evenly budget DATA` shows what every budget gives (evenly budget --help).""",
    "columns": """\
--text COLUMN is what is embedded of each record; --text instruction,input joins two columns.
Without it, the text is the column `text`, else the only one of prompt, instruction (with input),
question, messages and conversations that there is. Chats are read by --roles, which is user by
default. --groups, --quality, --costs and --id-column name other columns, or .npy files with one
value for each row.""",
    "completion": """\
The shell completes commands, options, their values and files once the start-up file of the
shell contains a line:

  bash   eval "$(_EVENLY_COMPLETE=bash_source evenly)"    in ~/.bashrc (bash 4.4 or newer)
  zsh    eval "$(_EVENLY_COMPLETE=zsh_source evenly)"     in ~/.zshrc, after compinit
  fish   _EVENLY_COMPLETE=fish_source evenly | source     in ~/.config/fish/config.fish""",
    "distance": """\
All distances are Euclidean, between rows of length 1 unless --no-normalize is given. Rows with
cosine similarity s are sqrt(2 - 2 s) apart: 0 for equal texts, 0.316 at a similarity of 0.95, and
1.414 for texts that have nothing in common.

h_min is the smallest distance between two chosen rows: the larger, the more evenly they are
spread. The coverage radius is the largest distance from any row to the nearest chosen one.""",
    "exit": """\
The exit code is 0 on success, 2 for wrong use or unusable input, 130 after Ctrl-C and 143 after
SIGTERM. Results go to standard output; progress, warnings and errors go to stderr.""",
    "manifest": """\
With -o subset.jsonl, subset.manifest.json is written beside the records. It holds the row
numbers, the options, the versions, and hashes of the input and of the model.

  evenly select --from-manifest subset.manifest.json   chooses again, and checks the rows
  evenly extend subset.manifest.json --budget 0.8      chooses more
  evenly explain subset.manifest.json 17               says why row 17 was chosen or left out
  evenly measure train.jsonl subset.manifest.json      measures the rows

The input is found where it was, or at the same place relative to the manifest.""",
    "rows": """\
Rows are counted from 0. They are named by their numbers, separated by commas (3,17), or by a
file: text with one row a line, a .npy array, or a manifest. With --id-column they are named by
their ids.""",
}
"""Topic -> its text."""
