// Loads MathJax's entry for Node where there is no Node, and says how to typeset a formula.
// `read` is given from outside: the text of one of MathJax's files.

globalThis.global = globalThis;
globalThis.__dirname = "";
globalThis.exports = {};
globalThis.console = { log() {}, info() {}, warn() {}, error() {} };
globalThis.setTimeout = (work) => Promise.resolve().then(work);

const path = { basename: () => "", dirname: () => "", resolve: (...parts) => parts.join("/") };
const load = (0, eval);

globalThis.require = (name) => {
  if (name === "path") return path;
  load(read(name));
  return {};
};

load(read("node-main.js"));

const components = ["input/tex-full", "adaptors/liteDOM", "output/chtml", "a11y/assistive-mml"];

exports.init({
  loader: { load: components },
  chtml: { adaptiveCSS: false, fontURL: "FONTS" },
  startup: { typeset: false },
});

globalThis.typeset = (tex, display) => {
  const formula = MathJax.tex2chtml(tex, { display, em: 16, ex: 8 });
  return JSON.stringify(MathJax.startup.adaptor.outerHTML(formula));
};

globalThis.styles = () =>
  JSON.stringify(MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet()));
