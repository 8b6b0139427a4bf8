"""What an audit advises, each sentence by its name; ``{}`` stands for what was found."""

_TEXT = """
no KL: Add the KL, {KL}: the loss does not depend on μ and the second head.
no KL now: At this call the loss does not depend on μ and the second head, and {later}
unreached: Let the gradient through: none reaches {}.
unreached now: At this call no gradient reaches {}, and {later}

exchanged: Exchange the two arguments of the cross-entropy: x̂ first, then x.
two sigmoids: Leave one sigmoid out: the cross-entropy on logits applies its own.
no log term: Add Σ ½ log σ² over the pixels: without it the learned σ² grows without end.
log term: Write the Gaussian as Σ [(x − x̂)²/(2σ²) + ½ log σ²]: the log term has {} times the weight
  that belongs to the error.
outside: Keep x̂ in [0, 1], or take the formula of the {} everywhere: outside, the loss follows
  another one.
no name: Cannot tell: the reconstruction is {}; this is a bound only if that is −log p(x|z) of a
  likelihood.
likelihood: Write the reconstruction as −log p(x|z) of a likelihood, summed over pixels: it is {}.

turn to a value: Leave the turn out for a bound: {} is driven to {} nats, not to its best value.
turn: Give the KL one weight: beyond {} nats it counts {} times.
floor: This bound lies below the ELBO: {}; without it, it is an ELBO.
gradual: Cannot tell: the KL's weight changes with the KL, not at one place: it has no β.
both signs: Minimise minus this value: it is an ELBO, not minus one.
error's sign: Turn the sign of the reconstruction: as written, a larger error is better.
KL's sign: Turn the sign of the KL: as written, q is driven away from the prior.

table: Cannot tell: this is a KL only if the model draws with the σ(h) of this table, {}: tell the
  model, audit(loss, model).
no form: Write the KL as {KL}, or I cannot tell: what stands there depends on μ and the head
  otherwise.
no head: Add the KL, {KL}: what stands there of μ does not take the second head.
balance: Give the KL one weight: as written the prior feels {} times what q feels, and the gradients
  are those of no function.
codebook: This is {}: training finds codes, no q(z|x).
sample: Write the KL's sample as log q(z|x) − log p(z) = ½ Σ [z² − (z − μ)²/σ² − log σ²].
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
grey: Make the pixels black and white, or take a likelihood of grey ones: a Bernoulli has none for
  values between 0 and 1.

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

COMMON = {
    "KL": "½ Σ [μ² + σ² − log σ² − 1]",
    "later": "the loss changes from call to call: read a later one, audit(loss, after=1000).",
}
_ENTRIES = _TEXT.replace("\n  ", " ").split("\n")
SENTENCES = dict(entry.split(": ", 1) for entry in _ENTRIES if entry)


def sentence(name: str, *found) -> str:
    """The sentence of this name, with what was found."""
    text = SENTENCES[name].format(*found, **COMMON)
    return text[0].upper() + text[1:]
