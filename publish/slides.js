// Makes each slide small enough for its frame, then starts the deck.
(async () => {
  const FIGURE = ".vaelib-explorer, .text_html:has(script)";
  const printed = location.search === "?print-pdf";
  document.documentElement.classList.toggle("printed", printed);
  const narrow = innerWidth < 600;
  const [width, height] = narrow ? [480, 900] : [1100, 700];
  if (document.readyState !== "complete") await new Promise((drawn) => addEventListener("load", drawn));
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  for (const slide of document.querySelectorAll(".slides > section")) {
    slide.style.width = `${width}px`;
    const content = slide.firstElementChild;
    const large = () =>
      content.getBoundingClientRect().height > height || content.scrollWidth > content.clientWidth + 1;
    for (let scale = 1; large() && scale > 0.4; content.style.zoom = scale) scale -= 0.02;
  }
  for (const figure of document.querySelectorAll(FIGURE)) figure.dataset.preventSwipe = "";
  document.body.classList.remove("fitting");
  Reveal.initialize({
    width, height, margin: printed ? 0.12 : 0.04, slideNumber: "c/t", center: false, hash: true, transition: "none",
    pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, scrollActivationWidth: null,
  });
})();
