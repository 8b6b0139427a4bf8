"""The semi-supervised bound, on a model of two lines whose every probability is known."""

from functools import partial

import pytest
import torch
from torch.distributions import Normal, OneHotCategorical

from tests.cases import seeded
from tests.training.test_shares import each_of
from tests.training.test_training import train
from vaelib.distributions import diagonal_normal
from vaelib.models import M2, VAE, Beside, GaussianDecoder, GaussianEncoder, Model, StandardNormal
from vaelib.objectives import ELBO, semi_supervised
from vaelib.training import Checkpoint, Validation, evaluate, shares

PROBS = torch.tensor([0.2, 0.5, 0.3]).double()
CENTRES, W, SIGMA = torch.tensor([[-1.0], [0.5], [2.0]]).double(), 0.8, 0.6
X = torch.linspace(-3, 4, 12).double()[:, None]
LABELS = (
    torch.eye(3).double()[torch.arange(12) % 3].index_fill(0, torch.arange(0, 12, 2), torch.nan)
)
KNOWN = ~LABELS[:, 0].isnan()


class Lines:
    """x = centre of c + W z + sigma noise, with its posterior of z."""

    prior = diagonal_normal(torch.zeros(1).double(), 1.0)

    def given(self, c):
        def decode(z):
            return diagonal_normal(c @ CENTRES + W * z, SIGMA)

        def encode(x):
            precision = 1 + W**2 / SIGMA**2
            return diagonal_normal(W * (x - c @ CENTRES) / SIGMA**2 / precision, precision**-0.5)

        return Model(self.prior, decode, encode)


def by_hand(x):
    """log p(x, c) of each class, shape (rows, 3)."""
    return Normal(CENTRES[:, 0], (W**2 + SIGMA**2) ** 0.5).log_prob(x) + PROBS.log()


def lines(classifier):
    return M2(Lines(), lambda x: OneHotCategorical(logits=classifier(x)), PROBS).given(LABELS)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("samples", [1, 4])
def test_with_the_posteriors_the_bound_is_the_evidence(alpha, samples):
    value = semi_supervised(lines(by_hand), X, alpha, samples, kl="sampled")
    joint = by_hand(X)
    evidence = joint.logsumexp(-1)
    own = (LABELS.nan_to_num(0.0) * joint).sum(-1)
    torch.testing.assert_close(value[~KNOWN], evidence[~KNOWN])
    torch.testing.assert_close(value[KNOWN], (own + alpha * (own - evidence))[KNOWN])


def test_with_another_classifier_the_bound_misses_the_evidence_by_its_divergence():
    other = X.sin() * PROBS
    value = semi_supervised(lines(lambda x: other), X, kl="sampled")
    log_q, joint = other.log_softmax(-1), by_hand(X)
    divergence = (log_q.exp() * (log_q - joint.log_softmax(-1))).sum(-1)
    torch.testing.assert_close((joint.logsumexp(-1) - value)[~KNOWN], divergence[~KNOWN])
    assert divergence.min() > 0.01
    sure = torch.tensor([0.0, -torch.inf, -torch.inf]).double().expand(12, 3)
    value = semi_supervised(lines(lambda x: sure), X, kl="sampled")
    torch.testing.assert_close(value[~KNOWN], joint[~KNOWN, 0])


def test_several_samples_are_averaged():
    model, same = networks().given(LABELS), X * 0
    noise = [semi_supervised(model, same, samples=n)[~KNOWN].std() for n in (1, 400)]
    assert noise[1] < noise[0] / 5


class Classifier(torch.nn.Sequential):
    def forward(self, x):
        return OneHotCategorical(logits=super().forward(x))


def networks():
    torch.manual_seed(0)
    encoder = Beside(GaussianEncoder(1 + 3, [8], 1))
    decoder = Beside(GaussianDecoder(1 + 3, [8], 1, sigma=0.5, learn_sigma=True))
    classifier = Classifier(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    return M2(VAE(StandardNormal(1), encoder, decoder), classifier, PROBS.float()).double()


def slope_of_the_classifier(alpha, rows):
    model = networks()
    semi_supervised(model.given(LABELS), X, alpha)[rows].sum().backward()
    return model.classifier[0].weight.grad.abs().sum()


def test_labelled_rows_teach_the_classifier_by_alpha_alone():
    assert slope_of_the_classifier(0.0, KNOWN) == 0
    assert slope_of_the_classifier(1.0, KNOWN) > 0
    assert slope_of_the_classifier(0.0, ~KNOWN) > 0


def drawn(n):
    k = torch.multinomial(PROBS, n, replacement=True)
    x = 3 * CENTRES[k] + 0.3 * torch.randn(n, 1).double()
    return x, torch.eye(3).double()[k]


def test_held_out_rows_without_a_class_are_judged_by_what_validation_is_told():
    x, c = drawn(20)
    c[:15] = torch.nan
    how = {"given": c, "objective": semi_supervised, "epochs": 2}
    unlabelled = lambda model, x: model.labels.isnan().any(-1).double()  # noqa: E731
    judged = train(networks(), x, validation=Validation(x, 1, c, unlabelled), **how).validation
    assert [terms.elbo for terms in judged] == [0.75, 0.75]
    with pytest.raises(ValueError, match=r"in Validation\(x, given=c, objective=semi_supervised\)"):
        train(networks(), x, validation=Validation(x, given=c), **how)


def test_a_few_labels_train_a_classifier_of_all_rows(tmp_path, monkeypatch):
    (x, c), held = drawn(600), drawn(50)
    some = c.clone()
    some[:570] = torch.nan
    objective = partial(semi_supervised, alpha=10.0)
    how = {"given": some, "objective": objective, "batch_size": 50, "learning_rate": 0.02}
    held[1][:40] = torch.nan
    how["validation"] = Validation(held[0], given=held[1], objective=semi_supervised)
    whole, halves = networks(), networks()
    whole.start_at(x)
    assert whole.vae.encoder.module.place is not None
    assert whole.given(c) is not whole
    assert not hasattr(whole, "labels")
    halves.start_at(x)
    judged = train(whole, x, epochs=12, **how).validation
    again = evaluate(whole, held[0], semi_supervised, given=held[1]).elbo
    assert judged[-1].elbo == pytest.approx(again, abs=0.3)
    assert judged[-1].elbo > judged[0].elbo + 1
    assert (whole.classifier(x).probs.argmax(-1) == c.argmax(-1)).double().mean() > 0.95
    file = Checkpoint(tmp_path / "run.pt", resume=True)
    for epochs in (5, 12):
        train(halves, x, epochs=epochs, checkpoint=file, **how)
    torch.testing.assert_close(halves.state_dict(), whole.state_dict(), rtol=0, atol=0)
    learned = evaluate(whole, x, objective, given=some).elbo
    assert learned > evaluate(networks(), x, objective, given=some).elbo + 1
    with pytest.raises(ValueError, match=r"q\(z|x, c\) needs every c: take semi_supervised"):
        evaluate(whole, x, ELBO(), given=some)
    alone = seeded(evaluate, whole, x, objective, given=some).elbo
    monkeypatch.setattr(shares, "total", lambda value: value)
    of_two = each_of(monkeypatch, 2)
    parts = [seeded(evaluate, whole, x, objective, given=some).elbo for _ in of_two]
    assert sum(parts) == pytest.approx(alone)
