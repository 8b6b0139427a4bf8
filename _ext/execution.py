"""When notebooks run: again after any change that matters to them, and never without need.

The cache of executed notebooks knows only their cells. So each notebook has its cache in a folder
that is named after all else that decides its outputs. For all of them that is what is installed,
the data settings, a GPU if there is one (it decides the data, too), and how kernels draw; a new
name is a changed Sphinx setting, which makes Sphinx read every page again. For one of them it is
the files that it uses; where one of those has changed, its page is read again and no other.

Sphinx reads pages one after another. So those that have to run do so before, side by side.
"""

import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from types import SimpleNamespace

import dependencies
import nbformat
from myst_nb.core.execute import ExecutionError, create_client
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

SETTINGS = ("VAELIB_DATASET", "VAELIB_IMAGES", "VAELIB_DATA_DIR")
KERNEL = Path(__file__).with_name("kernel_config.py")
AT_ONCE = 4  # kernels, of up to a gigabyte each
LOGGER = logging.getLogger(__name__)


def hashed(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def name_cache(app, config):
    if config.nb_execution_mode == "cache":
        installed = sorted({f"{d.name} {d.version}" for d in distributions()})
        settings = [shutil.which("nvidia-smi"), *map(os.environ.get, SETTINGS)]
        folder = hashed(repr([sys.version, installed, settings]).encode(), KERNEL.read_bytes())
        place = Path(app.outdir).parent / ".jupyter_cache"
        config.nb_execution_cache_path = str(place / folder)


def key(root, path):
    """Hash the files that a notebook uses."""
    files = dependencies.by_notebook(root, path)
    names = "\0".join(os.path.relpath(file, root) for file in files)
    return hashed(names.encode(), *(file.read_bytes() for file in files))


def key_now(env, docname):
    path = Path(env.doc2path(docname))
    runs = path.suffix == ".ipynb" and env.config.nb_execution_mode == "cache"
    return key(Path(env.srcdir), path) if runs else None


def outdated(app, env, added, changed, removed):
    """Name the pages whose key is another than when they were read."""
    known = NbMetadataCollector.get_doc_data(env)
    unread = added | changed
    return [d for d in env.found_docs - unread if known[d].get("key") != key_now(env, d)]


def within(env, docname, chosen):
    """Return myst-nb's settings with the cache of a notebook and its key."""
    place = Path(env.config.nb_execution_cache_path, docname, chosen)
    return env.mystnb_config.copy(execution_cache_path=str(place))


def run_ahead(app, env, docnames):
    """Run the notebooks that are about to be read, one on each of up to four processors."""
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        list(pool.map(partial(run, env), docnames))


def run(env, docname):
    """Run a notebook, or find it in its cache; one that fails is run again, and told, when read."""
    if chosen := key_now(env, docname):
        path, quiet = env.doc2path(docname), lambda *said, **how: None
        logger = SimpleNamespace(info=partial(LOGGER.info, "%s: %s", docname), warning=quiet)
        notebook = nbformat.read(path, as_version=4)
        with suppress(ExecutionError):
            create_client(notebook, path, within(env, docname, chosen), logger).start_client()


def choose_cache(app, docname, source):
    """Let the notebook that is about to be read be found in the folder of its key."""
    if chosen := key_now(app.env, docname):
        NbMetadataCollector.set_doc_data(app.env, docname, "key", chosen)
        app.env.mystnb_config = within(app.env, docname, chosen)


def configure_kernels(app):
    """Give the kernels of this build a profile of their own, in place of the reader's."""
    folder = Path(app.outdir).parent / ".ipython"
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    shutil.copy2(KERNEL, profile / "ipython_kernel_config.py")
    os.environ["IPYTHONDIR"] = str(folder)


def forget_failure(app, exception):
    """After a warning read everything again next time, or the warning would be shown only once."""
    if exception or app._warncount:
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)


def setup(app):
    os.environ.setdefault("TQDM_DISABLE", "1")
    app.connect("config-inited", name_cache)
    app.connect("builder-inited", configure_kernels)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", run_ahead)
    app.connect("source-read", choose_cache)
    app.connect("build-finished", forget_failure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
