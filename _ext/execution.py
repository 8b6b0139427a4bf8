"""When notebooks run: again after any change that matters, and never without need.

The cache of executed notebooks knows only their cells, so its folder is named after what else
decides their outputs: the library's sources and recorded runs, the data settings, torch, a GPU if
there is one (it decides the data, too), and how kernels draw. A new name is a changed Sphinx
setting, which makes Sphinx read every page again.
"""

import hashlib
import os
import shutil
from importlib.metadata import version
from pathlib import Path

SOURCES = {".py", ".js", ".css", ".mplstyle", ".json", ".toml"}
SETTINGS = ("VAELIB_DATASET", "VAELIB_DATA_DIR")
KERNEL = Path(__file__).with_name("kernel_config.py")


def fingerprint(library):
    """Hash everything outside a notebook that its outputs depend on."""
    digest = hashlib.sha256(version("torch").encode() + KERNEL.read_bytes())
    for name in SETTINGS:
        digest.update(f"\0{name}={os.environ.get(name, '')}".encode())
    digest.update(f"\0{shutil.which('nvidia-smi')}".encode())
    for path in sorted(library.rglob("*")):
        if path.suffix in SOURCES:
            digest.update(f"\0{path.relative_to(library).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def name_cache(app, config):
    if config.nb_execution_mode == "cache":
        folder = Path(app.outdir).parent / ".jupyter_cache"
        config.nb_execution_cache_path = str(folder / fingerprint(Path(app.srcdir, "vaelib")))


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
    app.connect("build-finished", forget_failure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
