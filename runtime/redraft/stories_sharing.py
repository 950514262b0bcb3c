"""The stories of locks and packs: a title and a text for each code; see redraft.stories."""

from __future__ import annotations

LOCKS: dict[str, tuple[str, str]] = {
    "RD410": (
        "a lock that differs",
        "NAME.lock beside a recipe says what the recipe is run with: its own hash, its model, "
        "masks and imports, every setting, and the places that its matches found. Something is "
        "not as the lock says, so the run has stopped before it began. Each record that differs "
        "is listed with what the lock says and what is there now. Undo the change; or, if it is "
        "meant, write the lock anew with `redraft lock` and look at its difference in git. "
        "`--no-lock` runs without it.",
    ),
    "RD411": (
        "not a lock",
        "The file cannot be read as a lock: a line has not the form of its kind, two lines are "
        "about the same thing, or git has left a conflict in it. Locks are written by `redraft "
        "lock`, and seldom by hand. After a conflict, keep one side and run `redraft lock`.",
    ),
    "RD412": (
        "a lock of another format",
        "The first line of a lock names its format. This one was written by a newer redraft. "
        "Install it, or write the lock anew.",
    ),
    "RD413": (
        "a lock that is too large",
        "A lock has a line for each setting and each place that was found; 4 MiB of it are far "
        "more than any recipe needs. The file is something else, or is damaged.",
    ),
    "RD414": (
        "an unknown record in a lock",
        "The first word of each line is its kind, and this kind does not exist. Nothing in a lock "
        "is passed over in silence, since it would not be obeyed.",
    ),
    "RD415": (
        "an import that changed under its version",
        "A recipe names its imports by their exact versions, and the lock holds what each of them "
        "meant. The imported file means something else now, and its version is the same. Give it "
        "a new version and name that in `use`, or restore the file. Comments and layout do not "
        "count as changes.",
    ),
    "RD416": (
        "no lock",
        "`redraft lock --check` compares a lock with what is there, and there is none beside the "
        "recipe. `redraft lock RECIPE` makes it.",
    ),
    "RD417": (
        "a lock for a recipe that comes with redraft",
        "A lock lies beside its recipe, and this recipe lies in the folder of the installed "
        "package. Copy the recipe into a folder of your own and lock the copy.",
    ),
    "RD418": (
        "a run whose lock was changed",
        "A run that obeyed a lock keeps a copy of it, `recipe.lock`, and takes its contexts from "
        "there when it is verified. That copy is missing or changed. Restore it, or run the "
        "recipe again.",
    ),
    "RD419": (
        "other values than those of a lock",
        "A lock pins a recipe with the values that `--set` gave when it was made, or with none; "
        "each is a `set` record in it. Other values, or none, make another recipe, so the run has "
        "stopped before it began. Give the values of the lock; or make a lock for these with "
        "`redraft lock RECIPE --set NAME=VALUE`; or run with `--no-lock`. Values that change "
        "nothing of what the recipe means are no difference.",
    ),
}

PACKS: dict[str, tuple[str, str]] = {
    "RD710": (
        "a run that cannot be packed",
        "A pack holds a finished run so that it can be verified elsewhere, and something in this "
        "run folder is missing or is not what run.json speaks of. Restore the file, or run the "
        "recipe again.",
    ),
    "RD711": (
        "a file name that cannot stand in a pack",
        "A pack can be unpacked on every system, so the names in it must be possible on all of "
        "them: no colon, no backslash, no part that begins with a dot or ends with one, none of "
        "the names that Windows keeps for devices, and no two that differ in case only. Rename "
        "the file and its mention in the recipe.",
    ),
    "RD712": (
        "a file that changed while it was packed",
        "The recipe was checked, and one of the files that it names was missing or different when "
        "it was to be packed. Leave the recipe's folder alone for a moment and pack again.",
    ),
    "RD713": (
        "a pack that cannot be read",
        "Check the path of the pack and the permissions of the file.",
    ),
    "RD714": (
        "not a pack",
        "The file does not end as a pack ends, so it is something else, or was cut short on its "
        "way. Get it again and compare its sha256 with the one that `redraft pack` printed.",
    ),
    "RD715": (
        "a pack of another format",
        "The pack was made by a newer redraft. Install it.",
    ),
    "RD716": (
        "a pack with an unsafe file name",
        "A file in the pack has a name that could lead out of the folder that it is unpacked to, "
        "or that cannot be a file's name on every system. `redraft pack` never makes such a pack, "
        "so somebody has. Nothing was written. Do not unpack it with another program.",
    ),
    "RD717": (
        "a pack with links or folders in it",
        "A pack holds plain files only. A link in an archive can point at any file of yours, and "
        "be written through. Nothing was written.",
    ),
    "RD718": (
        "a pack that is too large",
        "A pack has at most 256 MiB and 1000 files, for an edit with its masks is far smaller. "
        "Sizes are checked before anything is unpacked.",
    ),
    "RD719": (
        "a pack with compressed files",
        "The files of a pack are stored as they are, so that the same files always give the same "
        "pack, and a small pack cannot become a huge folder. This one was made, or changed, by "
        "another program. Pack the unpacked folder again with `redraft pack`.",
    ),
    "RD720": (
        "a pack with one name twice",
        "Two files in the pack have the same name. Programs differ in which of them they take, so "
        "what was looked at need not be what is used. Nothing was written.",
    ),
    "RD721": (
        "a pack with names that are the same on some systems",
        "Two names in the pack differ only in case or in how an accent is written, or one is a "
        "file and the other lies in a folder of that name. One would overwrite the other "
        "somewhere. Nothing was written.",
    ),
    "RD722": (
        "a file of a pack that was changed",
        "The hash of a file in the pack is not the one that its manifest.json says. The pack was "
        "damaged on its way, or somebody changed it. Get it again.",
    ),
    "RD723": (
        "a file that a pack's manifest does not name",
        "Every file in a pack is listed in manifest.json with its hash. This one is not, so it was "
        "added later. Nothing was written.",
    ),
    "RD724": (
        "a file that is missing in a pack",
        "manifest.json speaks of a file that is not in the pack, or the pack has no recipe, or it "
        "says to hold a run and does not. Get it again.",
    ),
    "RD725": (
        "a pack without a proper manifest",
        "manifest.json is missing in the pack, or is not in the form that `redraft pack` writes. "
        "Other ZIP files are not packs.",
    ),
    "RD726": (
        "a folder that is not empty",
        "A pack is unpacked to a folder of its own, all files of it or none. `--force` replaces a "
        "folder in which a pack was unpacked before, with everything in it, and no other one.",
    ),
    "RD727": (
        "a pack without a run",
        "A recipe that was not run yet can be packed; then there is no edit to apply and no run to "
        "verify in it. `redraft run PACK` solves it.",
    ),
    "RD728": (
        "a pack that hides something",
        "The files of a pack follow one another without a gap, in one layout only. Here there are "
        "bytes before, between or after them, files that share bytes, or two places that say "
        "different things. Other ZIP programs write such files, and attacks use them. Pack the "
        "unpacked folder again with `redraft pack`.",
    ),
    "RD729": (
        "a folder that a pack cannot be unpacked to",
        "The folder cannot be written, or the disk is full. Nothing was left half-written.",
    ),
}

SWEEPS: dict[str, tuple[str, str]] = {
    "RD760": (
        "a recipe without a sweep",
        "`redraft sweep` runs a recipe once for each combination of the values that its `sweep` "
        "block lists, and this recipe has none. Add one: `sweep ranks { vary rank of glasses over "
        "1, 4, 10 }`. A sweep is no part of what the recipe means. To run the recipe once as it "
        "stands, use `redraft run`.",
    ),
    "RD761": (
        "which sweep is meant",
        "The recipe has several sweeps, and each is a grid of its own. Name one after the recipe: "
        "`redraft sweep RECIPE NAME`.",
    ),
    "RD762": (
        "an unknown sweep",
        "The recipe has sweeps, and none of them has this name. Names are those after the word "
        "`sweep`, in upper and lower case as written.",
    ),
    "RD763": (
        "a value for what a sweep varies",
        "`--set` gives one value to all cells, and the sweep gives each cell its own; one of the "
        "two would be lost. Leave out `--set`, or take the `vary` line out of the sweep. To run a "
        "single cell, use `redraft run` with `--set` for each value.",
    ),
    "RD764": (
        "processes that cannot find each other",
        "A run or a sweep that is started by `torchrun` is divided among several processes, which "
        "find each other through the address that torchrun gives them. WORLD_SIZE says that there "
        "are several, but no connection came about. Start them all with torchrun; on several "
        "machines give each the same `--rdzv-endpoint`, and check that its port is open. For a "
        "sweep let `--out` be a folder that all of them share. Without torchrun, unset WORLD_SIZE.",
    ),
    "RD765": (
        "a process that the others have lost",
        "Several processes work together, and one of them has failed for a reason that has no code "
        "of its own, was killed, or does not answer any more; so the others ended too. torchrun "
        "tells which one ended first, and with which signal: SIGKILL often means that the memory "
        "was full, and fewer processes a machine need less. Run the same command again: finished "
        "rules, cells and statistics are kept.",
    ),
    "RD766": (
        "processes that do not have the same plan",
        "Several processes share the work of one run, and each reads the recipe and the model "
        "itself. They must be the same files everywhere, with the same lock, the same versions of "
        "redraft and torch, and all on CUDA or all on the CPU. Otherwise the parts of a result "
        "would not belong together, and nothing was solved.",
    ),
}

HUB: dict[str, tuple[str, str]] = {
    "RD770": (
        "huggingface_hub is not installed",
        "`redraft push` and `redraft pull` speak with a model hub through the package "
        'huggingface_hub, which is an extra of its own: `pip install "redraft[hub]"`. Everything '
        "else works without it.",
    ),
    "RD771": (
        "not the name of a repository",
        "A repository on a model hub is named OWNER/NAME, as in `alice/glasses`: your name there "
        "or that of a group of yours, a slash, and a name of letters, digits, `-`, `_` and `.`. An "
        "address is not a name.",
    ),
    "RD772": (
        "the model hub cannot be reached",
        "There was no answer, or the connection broke. Check the network, and HF_ENDPOINT if you "
        "have set it: it is the address of the hub, with `https://`. HF_HUB_OFFLINE keeps every "
        "hub from being asked. Nothing was written; a push was made whole or not at all.",
    ),
    "RD773": (
        "no such repository or revision",
        "The hub has no repository of this name, or does not show it to you: hubs give the same "
        "answer for both, so that nobody learns of private ones. Check the name. For a private "
        "repository sign in with `hf auth login`, or set HF_TOKEN. A revision is a branch, a tag, "
        "or a commit in full.",
    ),
    "RD774": (
        "the model hub does not allow it",
        "The hub does not know who you are, or you may not do this there. A push needs a token "
        "that may write, of somebody who belongs to the owner of the repository. `hf auth login` "
        "keeps one; HF_TOKEN goes before it. The token is shown nowhere and sent to the hub only.",
    ),
    "RD775": (
        "a gated repository",
        "The owner of the repository decides who may have it. Ask for access on its page, wait for "
        "the answer, and pull with the token of the account that was let in.",
    ),
    "RD776": (
        "a repository without a pack",
        "A pack in a repository has a manifest.json beside its files, and there is none at this "
        "revision. It holds something else, or the revision is older than the first push.",
    ),
    "RD777": (
        "a repository that is not for this push",
        "Either it holds files that redraft did not bring there, and a push would mix with them "
        "and overwrite its card; push to a new repository. Or it is public, and `--private` was "
        "given: that makes a new repository private and changes no other, so nothing was pushed.",
    ),
    "RD778": (
        "an answer that was not expected from a model hub",
        "The hub refused for another reason, which is told if it gave one, or it answered as no "
        "hub does. After HTTP 429 or 5xx wait and try again. Otherwise check HF_ENDPOINT, and "
        "whether a proxy stands between.",
    ),
    "RD779": (
        "a repository that was changed meanwhile",
        "Somebody made another commit between the beginning and the end of the push. Yours was "
        "refused, so that it does not undo theirs. Look at what changed, and push again.",
    ),
}
