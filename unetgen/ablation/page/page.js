// The table sorts by the values under its cells; baselines stay at the end. Plots are Vega-Lite.
const data = JSON.parse(document.getElementById("data").textContent);
const ink = matchMedia("(prefers-color-scheme: dark)").matches ? "#dfe5ea" : "#1c2733";
const config = {
  background: null, view: { stroke: null },
  axis: { gridOpacity: 0.25, labelFontSize: 12, titleFontSize: 12, labelColor: ink, titleColor: ink },
  legend: { labelFontSize: 12, labelColor: ink },
};
const embed = (id, spec) => vegaEmbed(id, { width: "container", config, ...spec }, { actions: false, renderer: "svg" });

// A color for each variant; more names than a dozen are told by pointing.
const color = variants => ({
  field: "variant", type: "nominal",
  legend: variants > 12 ? null : { labelLimit: 0, orient: "bottom", columns: 2, title: null },
});

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const by = row.cells[column].dataset.by;
    return by === "" ? null : isNaN(by) ? by : Number(by);
  };
  headings.forEach((heading, column) => heading.addEventListener("click", () => {
    const upwards = heading.ariaSort !== "ascending";
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.ariaSort = upwards ? "ascending" : "descending";
    const compare = (a, b) => {
      const last = a.classList.contains("baseline") - b.classList.contains("baseline");
      const [x, y] = [value(a, column), value(b, column)];
      if (last || x === null || y === null) return last || (x === null) - (y === null);
      return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) * (upwards ? 1 : -1);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}

// What no other row beats in both, in the order of the cost.
function front(rows, cost, metric, higher, cheaper) {
  const better = row => higher ? row[metric] : -row[metric];
  const price = row => cheaper ? row[cost] : -row[cost];
  const beaten = row => rows.some(other => price(other) <= price(row) && better(other) >= better(row)
    && (price(other) < price(row) || better(other) > better(row)));
  return rows.filter(row => !beaten(row)).sort((a, b) => a[cost] - b[cost]);
}

// What has no cost stands at every cost.
function across(metric, cost, y) {
  const values = data.points.rows.filter(row => metric in row && !(cost in row) && cost in data.points.costs);
  if (!values.length) return [];
  const mark = { type: "text", align: "left", dy: -7, fontStyle: "italic", color: ink };
  return [
    { data: { values }, mark: { type: "rule", strokeDash: [2, 3], color: "#888" }, encoding: { y } },
    { data: { values }, mark, encoding: { y, x: { value: 4 }, text: { field: "variant" } } },
  ];
}

function pareto() {
  const [metric, cost] = ["metric", "cost"].map(id => document.getElementById(id).value);
  const rows = data.points.rows.filter(row => metric in row && cost in row)
    .map(row => ({ ...row, low: row[metric] - row[metric + " ±"], high: row[metric] + row[metric + " ±"] }));
  const field = name => name.replace(/([.[\]'"\\])/g, "\\$1");
  const x = { field: field(cost), type: "quantitative", title: data.points.costs[cost] ?? cost, scale: { zero: false }, axis: { format: "~s" } };
  const y = { field: field(metric), type: "quantitative", title: metric, scale: { zero: false } };
  const cheaper = cost in data.points.costs || !data.points.metrics[cost];
  return embed("#pareto", {
    height: 320, data: { values: rows },
    layer: [
      ...across(metric, cost, y),
      { data: { values: front(rows, cost, metric, data.points.metrics[metric], cheaper) }, mark: { type: "line", strokeDash: [4, 3], color: "#888" }, encoding: { x, y } },
      { mark: { type: "rule", opacity: 0.6 }, encoding: { x, y: { field: "low", type: "quantitative", title: metric, scale: { zero: false } }, y2: { field: "high" }, color: color(rows.length) } },
      { mark: { type: "point", filled: true, size: 90, tooltip: true }, encoding: { x, y, color: color(rows.length),
        tooltip: [{ field: "variant" }, { field: field(metric), format: ".4g" }, { field: field(metric + " ±"), format: ".2g" }, { field: field(cost), format: "~s" }] } },
    ],
  });
}

function learning() {
  const metric = document.getElementById("curve").value;
  const variants = Object.keys(data.curves[metric]).length;
  const values = Object.entries(data.curves[metric]).flatMap(([variant, { steps, means }]) =>
    steps.map((step, place) => ({ variant, step, value: means[place] })));
  return embed("#curves", {
    height: 320, data: { values }, mark: { type: "line", tooltip: true, point: variants <= 12 },
    params: [{ name: "seen", select: { type: "point", fields: ["variant"], on: "pointerover" } }],
    encoding: {
      x: { field: "step", type: "quantitative" }, y: { field: "value", type: "quantitative", title: metric, scale: { zero: false } },
      color: color(variants),
      opacity: { condition: { param: "seen", value: 1 }, value: 0.2 },
    },
  });
}

// The cost in which the variants differ most: others may have been matched.
function widest() {
  const ratio = cost => {
    const values = data.points.rows.filter(row => cost in row).map(row => row[cost]);
    return Math.max(...values) / Math.max(1, Math.min(...values));
  };
  return Object.keys(data.points.costs).sort((a, b) => ratio(b) - ratio(a))[0];
}

function choices(id, entries, chosen, redraw) {
  const select = document.getElementById(id);
  select.append(...entries.map(([value, title]) => new Option(title, value, false, value === chosen)));
  select.addEventListener("change", redraw);
}

sortable(document.getElementById("results"));
const metrics = Object.keys(data.points.metrics);
if (metrics.length) {
  choices("metric", metrics.map(name => [name, name]), metrics[0], pareto);
  choices("cost", [...Object.entries(data.points.costs), ...metrics.map(name => [name, name])], widest(), pareto);
  pareto();
}
if (Object.keys(data.curves).length) {
  document.getElementById("learning").hidden = false;
  choices("curve", Object.keys(data.curves).map(name => [name, name]), metrics.find(name => name in data.curves), learning);
  learning();
}
