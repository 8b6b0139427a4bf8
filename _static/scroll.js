// What scrolls sideways on a narrow screen can be reached by keyboard, too.
const boxes = ".bd-article figure, .bd-article div.math mjx-container";

function mark() {
  const found = [...document.querySelectorAll(boxes)];
  const wide = new Set(found.filter((box) => box.scrollWidth > box.clientWidth));
  for (const box of found) {
    if (wide.has(box)) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", mark);
addEventListener("resize", mark);
