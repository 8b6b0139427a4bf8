// A code moved one latent at a time, the image that it stands for, and the bits that it costs.

// log sigma, kept within ±11 as in the library.
function bounded(a) {
  const beyond = Math.max(a - 10, 0) + Math.min(a + 10, 0);
  return a - beyond + Math.tanh(beyond);
}

// The log-probability of a level x under a logistic that is rounded to levels, the ends open.
function logLevel(x, m, logScale, levels) {
  const scale = Math.exp(bounded(logScale)), half = 0.5 / (levels - 1);
  const a = (x - half - m) / scale, b = (x + half - m) / scale;
  const below = x < half ? 0 : -softplus(a), above = x > 1 - half ? 0 : -softplus(-b);
  return below + above + (x < half || x > 1 - half ? 0 : Math.log(-Math.expm1(a - b)));
}

// Bits for each dimension of x: of the pixels given the code, and of the code.
function cost(f, x, eps, levels, mu, sigma) {
  const d = mu.length, draws = eps.length / d;
  let pixels = 0, code = 0;
  for (let s = 0; s < draws; s++) {
    const out = f(mu.map((m, j) => m + sigma[j] * eps[s * d + j]));
    for (let i = 0; i < x.length; i++) pixels -= logLevel(x[i], out[i], out[x.length + i], levels);
  }
  mu.forEach((m, j) => { code += (m * m + sigma[j] ** 2 - 1) / 2 - Math.log(sigma[j]); });
  const unit = x.length * Math.LN2;
  return [pixels / draws / unit, code / unit];
}

// Channels first, one or three of them, in [0, 1].
function colours(canvas, values, [channels, height, width]) {
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height), size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++)
      image.data[4 * i + c] = Math.round(255 * clamp(values[(c % channels) * size + i], [0, 1]));
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function render({ model, el }) {
  const f = decoder(model.get("layers"), floats(model.get("weights"), model.get("precision")));
  const x = floats(model.get("image")), eps = floats(model.get("eps"));
  const shape = model.get("shape"), far = model.get("extent"), sigma = model.get("sigma");
  const inputs = sigma.map((_, j) => {
    const input = element("input", {
      type: "range", min: -far, max: far, step: 0.05, "aria-label": `Mean of q along z${j + 1}`,
    });
    input.addEventListener("input", () => {
      write(model, { mu: model.get("mu").map((m, i) => (i === j ? Number(input.value) : m)) });
    });
    return input;
  });
  const rows = inputs.map((input, j) =>
    element("div", { class: "latent" }, element("span", {}, "z", element("sub", {}, `${j + 1}`)), input));
  const image = picture("x, the image"), decoded = picture("what the code stands for");
  const names = ["pixels given the code", "the code", "together"];
  const cells = names.map(() => element("td"));
  const lines = names.map((name, i) =>
    element("tr", {}, element("th", { scope: "row" }, name), cells[i]));
  const unit = element("caption", {}, "bits for each number of x");
  const table = element("table", { class: "readout" }, unit, element("tbody", {}, ...lines));
  const draw = () => {
    const mu = model.get("mu"), [pixels, code] = cost(f, x, eps, model.get("levels"), mu, sigma);
    colours(decoded.canvas, f(mu), shape);
    [pixels, code, pixels + code].forEach((bits, i) => { cells[i].textContent = number(bits); });
    inputs.forEach((input, j) => {
      input.value = mu[j];
      input.setAttribute("aria-valuetext", `${number(mu[j])}; ${number(pixels + code)} bits a dimension`);
    });
    write(model, { bits: [pixels, code] });
  };
  const jump = (text, mu) => button(text, () => write(model, { mu }));
  const jumps = element(
    "div", { class: "buttons", role: "group", "aria-label": "Put the code at" },
    jump("the encoder's code", model.get("found")), jump("the middle", sigma.map(() => 0)),
  );
  el.classList.add("vaelib-explorer");
  el.append(
    element("div", { class: "latents" }, ...rows),
    element("div", { class: "side" }, element("div", { class: "pictures" }, image.root, decoded.root), table),
    jumps,
  );
  colours(image.canvas, x, shape);
  draw();
  return watch(model, ["mu"], framed(draw));
}
