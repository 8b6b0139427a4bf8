// Makes what is wider than the page smaller; returns what is still too wide, or too small to read.
() => {
  const LEAST = 0.5;
  const failed = [];
  const name = (element) => `${element.closest("article").id}: ${element.textContent.trim().slice(0, 60)}`;
  for (const box of document.querySelectorAll("mjx-container[display], .pst-scrollable-table-container, .output:has(> table)")) {
    const inner = box.matches("mjx-container") ? box : box.querySelector("table");
    let scale = 1;
    for (let i = 0; i < 4 && box.scrollWidth > box.clientWidth + 1; i++) {
      scale *= (0.99 * box.clientWidth) / box.scrollWidth;
      inner.style.zoom = scale;
    }
    if (scale < LEAST) failed.push(`${name(box)} (at ${scale.toFixed(2)})`);
  }
  const end = document.querySelector(".bd-content").getBoundingClientRect().right + 1;
  for (const element of document.querySelectorAll(".bd-article *"))
    if (element.getBoundingClientRect().right > end && !element.closest("mjx-assistive-mml, svg"))
      failed.push(name(element));
  return failed;
};
