// What the touchable figures share: elements, a plane with handles on it, the page's colours.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const node = name.startsWith("svg:")
    ? document.createElementNS(SVG, name.slice(4))
    : document.createElement(name);
  put(node, attributes).append(...children);
  return node;
}

function put(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function picture(caption) {
  const canvas = element("canvas", { role: "img", "aria-label": caption });
  return { canvas, root: element("div", { class: "picture" }, canvas, element("p", {}, caption)) };
}

function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−");
}

function clamp(value, [low, high]) {
  return Math.min(Math.max(value, low), high);
}

// A drawing with coordinates x and y, each [low, high]; handles lie on top of it.
function plane({ x, y, width, height, label }) {
  const drawing = element("svg:svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label,
  });
  const root = element("div", { class: "vaelib-plane" }, drawing);
  const part = (value, [low, high]) => (value - low) / (high - low);
  const stage = {
    root, drawing, x, y,
    X: (value) => width * part(value, x),
    Y: (value) => height * (1 - part(value, y)),
    point(event) {
      const box = drawing.getBoundingClientRect();
      const right = (event.clientX - box.left) / box.width;
      const up = 1 - (event.clientY - box.top) / box.height;
      return [
        clamp(x[0] + right * (x[1] - x[0]), x),
        clamp(y[0] + up * (y[1] - y[0]), y),
      ];
    },
    place(knob, [right, up]) {
      knob.style.left = `${100 * part(right, x)}%`;
      knob.style.top = `${100 * (1 - part(up, y))}%`;
    },
    path(points) {
      const steps = points.map(([a, b]) => `${stage.X(a).toFixed(2)},${stage.Y(b).toFixed(2)}`);
      return `M${steps.join("L")}`;
    },
    text(look, x, y, said) {
      drawing.append(element("svg:text", { class: look, x, y }, said));
    },
  };
  return stage;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

function knob(stage, { name, range, look = "", move }) {
  const node = element("div", {
    class: `vaelib-knob ${look}`, role: "slider", tabindex: "0", "aria-label": name,
    "aria-valuemin": range[0], "aria-valuemax": range[1],
  });
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    node.focus({ preventScroll: true });
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) move(stage.point(event));
  });
  stage.root.append(node);
  return node;
}

// ask(key, size of a step) gives the new value, or nothing where the key is not meant for it.
function onKeys(node, step, ask, move) {
  node.addEventListener("keydown", (event) => {
    const to = ask(event.key, event.shiftKey ? step / 5 : step);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(to);
  });
}

function updater(stage, node, at) {
  return (value, text) => {
    stage.place(node, at());
    node.setAttribute("aria-valuenow", value.toFixed(3));
    node.setAttribute("aria-valuetext", text);
  };
}

// A handle that is dragged by mouse or finger and moved by the arrow keys; Shift makes small steps.
function handle(stage, { name, at, move, home, range, step = 0.1, look }) {
  const node = knob(stage, { name, range, look, move });
  const ask = (key, size) => {
    const way = ARROWS[key];
    const to = way ? at().map((value, i) => value + size * way[i]) : key === "Home" && home;
    return to ? [clamp(to[0], stage.x), clamp(to[1], stage.y)] : undefined;
  };
  onKeys(node, step, ask, move);
  return { knob: node, update: updater(stage, node, at) };
}

// The same for one number: all arrows change it, Home and End go to the ends of its range.
function slider(stage, { name, at, get, set, from, range, step = 0.1, look }) {
  const move = (value) => set(clamp(value, range));
  const node = knob(stage, { name, range, look, move: (point) => move(from(point)) });
  const ask = (key, size) => {
    const [right, up] = ARROWS[key] ?? [];
    if (right !== undefined) return get() + size * (right + up);
    return { Home: range[0], End: range[1] }[key];
  };
  onKeys(node, step, ask, move);
  const update = updater(stage, node, at);
  return { knob: node, update: (text) => update(get(), text) };
}

function button(text, press) {
  const node = element("button", { type: "button" }, text);
  node.addEventListener("click", press);
  return node;
}

// Pressing a mouse button anywhere on the plane, or tapping it, brings the handle there.
function follow(stage, { knob }, move) {
  let pressed = false;
  stage.drawing.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return;
    pressed = true;
    stage.drawing.setPointerCapture(event.pointerId);
    event.preventDefault();
    knob.focus({ preventScroll: true });
    move(stage.point(event));
  });
  stage.drawing.addEventListener("pointermove", (event) => pressed && move(stage.point(event)));
  for (const end of ["pointerup", "pointercancel"])
    stage.drawing.addEventListener(end, () => { pressed = false; });
  stage.drawing.addEventListener("click", (event) => move(stage.point(event)));
}

function write(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// A call whenever one of these values changes, until what it returns is called.
function watch(model, names, call) {
  for (const name of names) model.on(`change:${name}`, call);
  return () => { for (const name of names) model.off(`change:${name}`, call); };
}

// Draw at most once a frame, however often the hand moves.
function framed(draw) {
  let waiting = 0;
  return () => {
    waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); });
  };
}

// The colour of the page's text, and a call whenever light turns to dark or back.
function ink(el) {
  const probe = element("canvas", { width: 1, height: 1 }).getContext("2d");
  probe.fillStyle = getComputedStyle(el).color;
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

function onTheme(call) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(call);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true });
  system.addEventListener("change", call);
  return () => { observer.disconnect(); system.removeEventListener("change", call); };
}

// Grey values from 0, paper, to 1, ink.
function paint(canvas, values, [height, width], [r, g, b]) {
  if (canvas.width !== width || canvas.height !== height)
    Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < values.length; i++)
    image.data.set([r, g, b, 255 * clamp(values[i], [0, 1])], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}
