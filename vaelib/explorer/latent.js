// A point dragged over the latent plane, and what the decoder makes of it.

const SIZE = 340;

function rings(stage, contours) {
  const { drawing, X, Y, x } = stage;
  const name = (share, [a, b]) => stage.text("share", X(a), Y(b), `${number(100 * share, 0)} %`);
  for (const { share, paths } of contours) {
    let top = [-Infinity, -Infinity];
    for (const path of paths) {
      const places = [];
      for (let i = 0; i < path.length; i += 2) {
        const [a, b] = [path[i], path[i + 1]];
        places.push(`${X(a)},${Y(b)}`);
        if (a - b > top[0] - top[1] || top[0] === -Infinity) top = [a, b];
      }
      drawing.append(element("svg:polyline", { class: "ring", points: places.join(" ") }));
    }
    if (paths.length) name(share, top);
  }
  for (let r = 1; !contours.length && r <= Math.min(3, x[1]); r++) {
    drawing.append(element("svg:circle", { class: "ring", cx: X(0), cy: Y(0), r: X(r) - X(0) }));
    name(1 - Math.exp(-r * r / 2), [r / 2 ** 0.5, -r / 2 ** 0.5]);
  }
}

function backdrop(stage, means, labels, contours) {
  const { drawing, X, Y, x } = stage;
  const line = (a, b, c, d) => drawing.append(
    element("svg:line", { class: "axis", x1: X(a), y1: Y(b), x2: X(c), y2: Y(d) }),
  );
  line(x[0], 0, x[1], 0);
  line(0, x[0], 0, x[1]);
  labels.forEach((label, i) =>
    stage.text(`mean class-${label % 10}`, X(means[2 * i]), Y(means[2 * i + 1]), String(label)));
  rings(stage, contours);
  stage.text("name", SIZE - 8, Y(0) - 8, "z₁");
  stage.text("name", X(0) + 14, 12, "z₂");
}

function nearest(means, z) {
  let best = -1, least = Infinity;
  for (let i = 0; 2 * i < means.length; i++) {
    const distance = Math.hypot(means[2 * i] - z[0], means[2 * i + 1] - z[1]);
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function render({ model, el }) {
  const f = decoder(model.get("layers"), floats(model.get("weights"), model.get("precision")));
  const means = floats(model.get("means")), labels = [...bytes(model.get("labels"))];
  const images = bytes(model.get("images")), shape = model.get("shape");
  const pixels = shape[0] * shape[1], extent = model.get("extent");
  const stage = plane({
    x: [-extent, extent], y: [-extent, extent], width: SIZE, height: SIZE,
    label: `The latent plane: ${labels.length} test images at their posterior means, each written `
      + "as the digit it shows, and rings that hold the stated shares of the prior.",
  });
  backdrop(stage, means, labels, model.get("contours"));
  const decoded = picture("decoded here"), found = picture("nearest test image");
  const readout = element("p", { class: "readout" });
  const move = (z) => write(model, { z });
  const point = handle(stage, {
    name: "Point in the latent plane", at: () => model.get("z"), move, home: [0, 0],
    range: stage.x, look: "point",
  });
  point.knob.setAttribute("aria-roledescription", "two-dimensional slider");
  follow(stage, point, move);

  const draw = () => {
    const z = model.get("z"), near = nearest(means, z), colour = ink(el);
    const place = `z = (${number(z[0])}, ${number(z[1])})`;
    const what = near < 0 ? "" : `the nearest test image shows a ${labels[near]}`;
    paint(decoded.canvas, f(z), shape, colour);
    if (images.length) {
      const grey = images.subarray(near * pixels, (near + 1) * pixels);
      paint(found.canvas, Float32Array.from(grey, (v) => v / 255), shape, colour);
    }
    decoded.canvas.setAttribute("aria-label", `The image decoded at ${place}; ${what}.`);
    readout.textContent = `${place}; ${what}`;
    point.update(z[0], `${place}; ${what}`);
  };
  const redraw = framed(draw), still = watch(model, ["z"], redraw), quiet = onTheme(redraw);
  const pictures = element("div", { class: "pictures" }, decoded.root);
  if (images.length) pictures.append(found.root);
  el.classList.add("vaelib-explorer");
  el.replaceChildren(stage.root, element("div", { class: "side" }, pictures, readout));
  draw();
  return () => { still(); quiet(); };
}
