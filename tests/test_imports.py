import json
import subprocess
import sys

ROOMS = [
    "distributions",
    "divergence",
    "gradients",
    "models",
    "objectives",
    "exact",
    "inference",
    "experiments",
    "checks",
    "data",
    "training",
    "prose",
]

CODE = """
import json, sys, torch
def state():
    return [str(torch.get_default_dtype()), torch.random.get_rng_state().tolist()]
torch.manual_seed(5)
before = state()
{imports}
loaded = sorted({{name.partition(".")[0] for name in sys.modules}})
print(json.dumps([loaded, before == state()]))
"""


def test_importing_vaelib_is_light_and_changes_no_global_state():
    code = CODE.format(imports="\n".join(f"import vaelib.{room}" for room in ROOMS))
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded, unchanged = json.loads(output.stdout)
    assert "vaelib" in loaded
    assert not {"matplotlib", "sklearn", "pooch", "requests"} & set(loaded)
    assert unchanged
