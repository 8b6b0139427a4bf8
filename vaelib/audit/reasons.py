"""What keeps a loss from being a bound, what leaves that open, and what else to change."""

from collections import namedtuple
from collections.abc import Iterator
from math import isclose, isnan

from vaelib.audit.sampler import BUT_FOR_LOG_K, RIGHT, UNKNOWN
from vaelib.audit.shapes import number
from vaelib.audit.terms import BACKWARD, CODEBOOK, GIVEN
from vaelib.audit.words import PIXEL, Words, reductions

BOUND, NO_BOUND, OPEN = "bound", "no bound", "cannot tell"
KL = "½ Σ [μ² + σ² − log σ² − 1]"
CODES = "A code that is one of K and decided by x has the KL log K to equal chances, a constant."
# the sentences by name; {} stands for what was found
_TEXT = """
no KL: Add the KL, {KL}: the loss does not depend on μ and the second head. {CODES}
unreached: Let the gradient through: none reaches {}.
changing: At this call {}, and the loss changes from call to call: try audit(loss, after=1000).
cross-entropy with x and x̂ exchanged: Exchange the arguments of the cross-entropy: x̂ first, then x.
Bernoulli on logits, a sigmoid applied twice: Leave one sigmoid out: the loss applies its own.
no log term: Add Σ {1}{2} over the pixels: without it the learned {2} grows without end.
log term: Give Σ {1}{2} over the pixels the weight that the error has: as written it has {0} times
  that.
outside: Keep x̂ in [0, 1], or take the {} everywhere: outside, the loss follows another formula.
no name: Cannot tell: the reconstruction is {}; this is a bound only if that is −log p(x|z) of a
  likelihood.
beside: Cannot tell: the reconstruction is {}. The Laplace alone would be a bound with b = {}; a
  perceptual or adversarial term is no log density: with one the value is no −log p to compare.
likelihood: Write the reconstruction as −log p(x|z) of a likelihood, summed over pixels: it is {}.
goal: Leave the turn out for a bound: {2} is driven to {0} nats, not to its best value.
turn: Give the KL one weight: beyond {} nats it counts {} times.
floor: This bound lies below the ELBO: {3}; without it, it is an ELBO.
gradual: Cannot tell: the KL's weight changes with the KL, not at one place: it has no β.
table: Cannot tell: this is a KL only if the model draws with the σ(h) of this table, {}: tell the
  model, audit(loss, model).
no form: Write the KL as {KL}, or I cannot tell: what stands there depends on μ and the head
  otherwise.
no head: Add the KL, {KL}: what stands there of μ does not take the second head.
error and KL: Minimise minus this value: it is an ELBO, not minus one.
error: Turn the sign of the reconstruction: as written, a larger error is better.
KL: Turn the sign of the KL: as written, q is driven away from the prior.
balance: Give the KL one weight: as written the prior feels {} times what q feels, and the gradients
  are those of no function.
codebook: This is {}: training finds codes, no q(z|x). {CODES}
backward: Write the KL as {KL}: as written it is KL(p ‖ q), not KL(q ‖ p).
each: Give the KL of every coordinate one weight: as written the smallest is {} times the largest.
shares: Write the KL as {KL}, with σ² = {} and log σ² = {} or what your sampler takes: the weights
  of μ², σ² and −log σ² are {}, and must be equal{}.
product: Add the reconstruction and the KL: as written one changes the weight of the other.
samples: Take the log of the mean of the weights over the samples: this is a {}.
no draw: Draw z = μ + σε in the model: its x̂ does not depend on the second head.
sampler: Make loss and sampler agree: the loss takes the second head for {}, the model draws with it
  as {}.
parameters: Let the gradient through to {}.
sigmoid: Leave the model's last sigmoid out: the loss takes logits and applies its own.
no sigmoid: End the model with a sigmoid: the loss takes probabilities, x̂ leaves [0, 1].
grey: Make the pixels black and white, or take a likelihood of grey ones: a Bernoulli has none.
noise: {}say which scale of the noise you mean: it and β are one degree of freedom; as written
  β = {} at the scale that the loss has.
σ²: {0}say which {1} you mean: as written this is {2} with {1} = {3}, or β = {4} at {1} = 1.
rows: Right for rows of pixels alone: {}.
sizes: Right for these sizes alone, β = {}: {}, and it holds for all.
sums: {1}; as written β = {0}.
half: Give the KL its ½, or say that you want β = 2; as written β = {}.
weight: Give the KL the weight 1, or say that you want another; as written β = {}.
clamp: Loosen the clamp: below log σ² = {} the second head gets no gradient.
value: Do not report the value: {}.
−1: Write the KL's −1, too: training is the same, the value lies {} nats too high.
log K: Take the mean of the weights, not their sum: training is the same, the value is log K nats
  too low.
rest: Look at the constants: training is the same without them, but the value lies {} nats too {}.
scale: Nothing to change for training by Adam; to report nats, divide by {}.
"""
SENTENCES = dict(line.split(": ", 1) for line in _TEXT.strip().replace("\n  ", " ").split("\n"))
Reason = namedtuple("Reason", ("verdict", "sentence"))
Found = Iterator[tuple]  # whether it is so, the verdict, the sentence's name, what is put into it


class Reasons(Words):
    """Sentences to act on: first what keeps it from being a bound, then what is open."""

    def __iter__(self) -> Iterator[Reason]:
        parts = self.heads, self.likelihoods, self.divergences, self.no_kl, self.both
        found = [each for part in (*parts, self.weights, self.values) for each in part()]
        for verdict in (NO_BOUND, OPEN, BOUND):
            for so, kind, name, *told in found:
                if so and kind == verdict:
                    text = SENTENCES[name].format(*told, KL=KL, CODES=CODES)
                    yield Reason(verdict, text[0].upper() + text[1:])

    def heads(self) -> Found:
        moves, changing = self.g.moves, self.audit.stateful
        lost = " and ".join(n for role, n in self.lost.items() if role == "x_hat" or moves[role])
        name, told = lost and "unreached", f"no gradient reaches {lost}"
        if self.d.form is None and not (moves["mu"] or moves["logvar"]):
            name, told = "no KL", "the loss does not depend on μ and the second head"
        yield name and changing, OPEN, "changing", told
        yield name and not changing, NO_BOUND, name, lost

    def likelihoods(self) -> Found:
        p, (_, log, _) = self.p, PIXEL.get(self.p.family, ("", "", ""))
        yield p.kind in SENTENCES, NO_BOUND, p.kind
        told = number(p.normaliser), log, p.letter
        yield p.normaliser == 0, NO_BOUND, "no log term", *told
        yield not isclose(p.normaliser, 1, rel_tol=1e-3), NO_BOUND, "log term", *told
        inside = self.s and self.s.probabilities
        yield p.everywhere is False and not inside, NO_BOUND, "outside", p.kind
        yield p.open and self.v, OPEN, "beside", p.kind, self.v and self.shown(self.v.ratio)
        yield self.g.reached["x_hat"] and p.open, OPEN, "no name", p.kind
        yield not (p.open or p.proper), NO_BOUND, "likelihood", p.kind

    def divergences(self) -> Found:
        d, s, reached = self.d, self.s, self.g.reached
        if d.bend:
            nats, ratio, of, _ = d.bend
            name = "floor" if d.floor else "goal" if ratio < 0 else "turn"
            kind, told = BOUND if ratio > 1 else NO_BOUND, (number(nats), number(ratio), of)
            yield True, kind, name, *told, self.bend()
        yield d.gradual, OPEN, "gradual"
        weights = {"error": self.p.per_pixel, "KL": d.kl and d.per_latent}
        wrong = " and ".join(part for part, w in weights.items() if w and w.factor < 0)
        yield wrong, NO_BOUND, wrong
        to_q, to_prior = d.raw.mean(0) if d.form == GIVEN else (1, 1)
        balance = float(to_prior / to_q)
        yield not isclose(balance, 1, rel_tol=5e-3), NO_BOUND, "balance", number(balance)
        drawn = s and s.readings and s.agrees(d.reading)
        yield d.kl and d.head.table and not drawn, OPEN, "table", d.head.table
        none, head = d.form is None, reached["logvar"] or self.audit.stateful
        yield none and reached["mu"] and not head, NO_BOUND, "no head"
        yield none and head and (reached["mu"] or reached["logvar"]), OPEN, "no form"
        yield d.form == CODEBOOK, NO_BOUND, "codebook", self.divergence()
        yield d.form == BACKWARD, NO_BOUND, "backward"

    def no_kl(self) -> Found:
        """Where the weights of its terms are not those of one KL to the prior."""
        d, p, (a, _, v, g) = self.d, self.p, self.d.mean
        if d.kl or d.form in (None, CODEBOOK):
            return
        if len(d.each) > 1 and not d.prior:
            a, m, v, g = d.each.unbind(-1)
            each = p.proper and p.per_pixel and max(m.norm(), (a - v).norm(), (a + g).norm()) < 1e-3
            least = each and 2 * float(a.min()) * d.per_latent.over(p.per_pixel).told(self.sizes)
            share = number(float(g.abs().min() / g.abs().max()))
            yield True, BOUND if least > 0.995 else NO_BOUND, "each", share
            return
        shares = ", ".join(number(d.per_latent.factor * c) for c in (a, v, -g))
        prior = f"; as written the prior is {self.prior}" if d.prior else ""
        yield True, OPEN if prior else NO_BOUND, "shares", *d.head.code, shares, prior

    def both(self) -> Found:
        a, s, taken = self.audit, self.s, self.d.reading
        yield self.v and not a.consistent, NO_BOUND, "product"
        kind = OPEN if a.together == UNKNOWN else NO_BOUND
        yield a.together not in RIGHT, kind, "samples", a.together
        if s:
            drawn = " or ".join(s.readings or ()) or "something else"
            yield not s.draws, NO_BOUND, "no draw"
            yield s.draws and not s.agrees(taken), NO_BOUND, "sampler", taken, drawn
            yield s.unreached, BOUND, "parameters", ", ".join(s.unreached)
            logits, probabilities = (f"Bernoulli on {of}" for of in ("logits", "probabilities"))
            yield s.probabilities and self.p.kind == logits, BOUND, "sigmoid"
            yield not s.probabilities and self.p.kind == probabilities, NO_BOUND, "no sigmoid"
        yield a.binary is False and self.p.family == "Bernoulli", NO_BOUND, "grey"

    def weights(self) -> Found:
        p, d, v = self.p, self.d, self.v
        if v is None or not (p.proper and d.kl):
            return
        change, beta = reductions(p.per_pixel.powers, d.per_latent.powers), v.beta or v.ratio
        shown, told = self.shown(beta), beta.told(self.sizes)
        if v.beta is None:
            first, noise = change and f"{change}, or ", self.noise()
            bound = "a bound" if d.floor else self.bound
            yield not p.terms, BOUND, "noise", first, shown
            shown = f"{shown}, {noise}" if noise else shown
            yield p.terms, BOUND, "σ²", first, p.letter, bound, shown, number(told)
        elif isclose(told, 1, rel_tol=5e-3):
            yield self.audit.elsewhere, BOUND, "rows", self.audit.elsewhere
            yield not beta.fixed, BOUND, "sizes", beta, change
        else:
            kind = OPEN if isnan(told) else BOUND if told > 1 else NO_BOUND
            own = "half" if isclose(beta.factor, 2, rel_tol=5e-3) else "weight"
            now = " at this call" if self.audit.stateful else ""
            yield True, kind, "sums" if change else own, shown + now, change

    def values(self) -> Found:
        """What costs digits or nats, and leaves the loss what it is."""
        v, low = self.v, self.g.clamp[0]
        if v is None:
            return
        yield low is not None and low > -12, BOUND, "clamp", number(low or 0.0)
        yield v.said != (1, 1), BOUND, "value", self.said()
        if v.said == (1, 1) and self.p.terms:
            above, scale = v.above(self.sizes), v.scale.told(self.sizes | {"batch": 1})
            rest = v.minus_one is None and not self.p.free
            yield v.minus_one is False, BOUND, "−1", number(self.sizes["coordinates"] / 2)
            yield self.audit.together == BUT_FOR_LOG_K, BOUND, "log K"
            yield rest, BOUND, "rest", number(abs(above)), "high" if above > 0 else "low"
            yield not isclose(scale, 1, rel_tol=5e-3), BOUND, "scale", number(v.scale.factor)
