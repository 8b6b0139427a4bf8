"""What chapter `hierarchies` trains: as many parameters each, and numbers of the model itself."""

import torch

from tests.cases import cases, seeded
from vaelib.divergence import Estimate
from vaelib.experiments import hierarchies
from vaelib.experiments.hierarchies import by_layer, by_number, diffusion, hierarchy
from vaelib.objectives import elbo

KINDS = ["one layer", "bottom-up", "top-down", "ladder"]
X = torch.rand(40, 64, generator=torch.Generator().manual_seed(0)).round()


def test_kinds_have_nearly_as_many_parameters():
    sizes = [sum(p.numel() for p in hierarchy(k, 64, "bernoulli").parameters()) for k in KINDS]
    sizes += [sum(p.numel() for p in hierarchies.Denoiser(64).parameters())]
    assert len({*sizes}) == 4  # a ladder's encoder shares the prior's network
    assert max(sizes) < 1.05 * min(sizes)


@cases(*KINDS)
def test_layers_add_up_to_the_kl_of_the_row(kind):
    torch.manual_seed(0)
    told = by_layer(model := hierarchy(kind, 64, "bernoulli"), X)
    with torch.no_grad():
        q = model.encode(X)
        row = Estimate.of((q.log_prob(z := q.sample((2000,))) - model.prior.log_prob(z)).mean(1))
    assert len(told["kl"]) == 1 + (kind != "one layer")
    assert abs(sum(told["kl"]) - row.mean) < 0.1
    assert told["100 draws"] > seeded(elbo, model, X, 50, kl="either").mean()


def test_one_layer_drawn_is_the_bound_on_average_and_more_layers_are_told(monkeypatch):
    torch.manual_seed(0)
    model = diffusion(5, hierarchies.Denoiser(64), 64)
    with torch.no_grad():
        drawn = [hierarchies.one_layer_drawn(model, X).mean() for _ in range(400)]
        whole = elbo(model, X.expand(400, 40, 64), kl="either").mean(1)
    drawn, whole = Estimate.of(torch.stack(drawn)), Estimate.of(whole)
    allowed = 4 * (drawn.standard_error**2 + whole.standard_error**2).sqrt()
    assert allowed < 0.02 * whole.mean.abs()
    assert abs(drawn.mean - whole.mean) < allowed
    monkeypatch.setattr(hierarchies, "LAYERS", (5, 9))
    told = by_number(model, X)["bounds"]
    assert abs(told["5"][0] - whole.mean) < 5 * told["5"][1]
    assert told["9"] != told["5"]
