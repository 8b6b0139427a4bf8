"""Copy the address in _config.yml into the README and every chapter: ``make address``."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
INSTALL = re.compile(r'git\+https://[^\s"\\]+')


def main():
    url = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    for path in [ROOT / "README.md", *ROOT.glob("chapters/*.ipynb")]:
        path.write_text(INSTALL.sub(f"git+{url}", path.read_text("utf8")), "utf8")


if __name__ == "__main__":
    main()
