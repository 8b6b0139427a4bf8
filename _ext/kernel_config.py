"""How kernels draw while the book is built: every figure twice, as SVG and as a sharp PNG.

The same run gives the same files: no dates, and identifiers that are hashed with a fixed salt.
"""

c = get_config()  # noqa: F821
c.InlineBackend.figure_formats = {"png", "svg"}
c.InlineBackend.rc = {"svg.fonttype": "path", "svg.hashsalt": "book"}
c.InlineBackend.print_figure_kwargs = {
    "bbox_inches": "tight",
    "dpi": 192,
    "metadata": {"Creator": None, "Date": None},
}
c.HistoryManager.enabled = False
c.IPKernelApp.log_level = "ERROR"  # a kernel on this machine alone needs no encryption
