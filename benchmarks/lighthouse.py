"""What Lighthouse says of the built site: ``make lighthouse``.

Needs Node and Chromium. Prints, over all runs, the median of the performance score and the worst of
everything else.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

SITE = Path(__file__).parents[1] / "_build/html"
PAGES = ("index.html", "chapters/vae.html")
LIGHTHOUSE = "lighthouse@12.8.2"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run"
WORST = ("accessibility", "best-practices", "seo")
TEXT = {".html", ".js", ".css", ".svg", ".json"}


@cache
def compressed(path):
    return gzip.compress(Path(path).read_bytes())


class Server(SimpleHTTPRequestHandler):
    """Sends text compressed and everything to be kept for ten minutes, as GitHub Pages does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        text = path.suffix in TEXT
        body = compressed(path) if text else path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        if text:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def audit(url, preset):
    """Run Lighthouse once; return its report."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = ["npx", "--yes", LIGHTHOUSE, url, "--quiet", f"--chrome-flags={FLAGS}"]
        command += ["--output=json", f"--output-path={report}"]
        command += ["--preset=desktop"] if preset == "desktop" else []
        subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": browser})
        return json.loads(report.read_text("utf8"))


def summary(reports):
    scores = [{k: 100 * c["score"] for k, c in r["categories"].items()} for r in reports]
    shifts = [r["audits"]["cumulative-layout-shift"]["numericValue"] for r in reports]
    yield f"performance {median(s['performance'] for s in scores):.0f}"
    for name in WORST:
        yield f"{name} {min(s[name] for s in scores):.0f}"
    yield f"layout shift {max(shifts):.3f}"


def failed(report):
    """Return the audits that cost points outside the performance category."""
    weighed = [a for name in WORST for a in report["categories"][name]["auditRefs"] if a["weight"]]
    audits = (report["audits"][a["id"]] for a in weighed)
    return sorted({a["id"] for a in audits if a["score"] not in (None, 1)})


def main(runs):
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Server(*a, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for page in PAGES:
        for preset in ("desktop", "mobile"):
            url = f"http://127.0.0.1:{server.server_port}/{page}"
            reports = [audit(url, preset) for _ in range(runs)]
            print(page, preset, *summary(reports), *failed(reports[-1]), sep="  ", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
