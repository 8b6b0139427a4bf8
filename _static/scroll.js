// What scrolls sideways on a narrow screen can be reached by keyboard, too.
function mark() {
  for (const box of document.querySelectorAll(".bd-article figure, .bd-article div.math")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", mark);
addEventListener("resize", mark);
