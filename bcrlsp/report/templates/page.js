"use strict";
const plots = [...document.querySelectorAll(".plot")];
for (const place of plots) {
  const figure = JSON.parse(place.nextElementSibling.textContent);
  Plotly.newPlot(place, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}
// Paper shows what a click would: tables open, plots as wide as the page.
const closed = () => [...document.querySelectorAll("details:not([open])")];
let opened = [];
addEventListener("beforeprint", () => {
  opened = closed();
  opened.forEach((part) => { part.open = true; });
  plots.forEach((place) => Plotly.Plots.resize(place));
});
addEventListener("afterprint", () => {
  opened.forEach((part) => { part.open = false; });
  plots.forEach((place) => Plotly.Plots.resize(place));
});
