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

// The two sides of the plot are said by their kind and name: "metrics dice", "costs params".
const kind = side => side.split(" ", 1)[0];
const name = side => side.slice(kind(side).length + 1);
const value = (row, side) => kind(side) === "costs" ? row.costs[name(side)] : row.metrics[name(side)]?.[0];
const title = side => kind(side) === "costs" ? data.points.costs[name(side)] : name(side);
const lowerIsBetter = side => kind(side) === "costs" || !data.points.metrics[name(side)];

// What no other row beats in both, in the order of the cost.
function front(rows, cost, metric) {
  const price = row => lowerIsBetter(cost) ? row.x : -row.x;
  const better = row => lowerIsBetter(metric) ? -row.y : row.y;
  const beaten = row => rows.some(other => price(other) <= price(row) && better(other) >= better(row)
    && (price(other) < price(row) || better(other) > better(row)));
  return rows.filter(row => !beaten(row)).sort((a, b) => a.x - b.x);
}

// What has no cost stands at every cost.
function across(rows, cost, y) {
  const values = rows.filter(row => row.x === undefined && kind(cost) === "costs");
  if (!values.length) return [];
  const mark = { type: "text", align: "left", dy: -7, fontStyle: "italic", color: ink };
  return [
    { data: { values }, mark: { type: "rule", strokeDash: [2, 3], color: "#888" }, encoding: { y } },
    { data: { values }, mark, encoding: { y, x: { value: 4 }, text: { field: "variant" } } },
  ];
}

function pareto() {
  const [metric, cost] = ["metric", "cost"].map(id => document.getElementById(id).value);
  const known = data.points.rows.filter(row => value(row, metric) !== undefined).map(row => {
    const [mean, spread] = row.metrics[name(metric)];
    return { variant: row.variant, x: value(row, cost), y: mean, spread, low: mean - spread, high: mean + spread };
  });
  const rows = known.filter(row => row.x !== undefined);
  const scale = { zero: false };
  const x = { field: "x", type: "quantitative", title: title(cost), scale, axis: { format: "~s" } };
  const y = { field: "y", type: "quantitative", title: title(metric), scale, axis: { format: "~g" } };
  const tooltip = [
    { field: "variant" }, { field: "y", title: title(metric), format: ".4g" },
    { field: "spread", title: "±", format: ".2g" }, { field: "x", title: title(cost), format: "~s" },
  ];
  return embed("#pareto", {
    height: 320, data: { values: rows },
    layer: [
      ...across(known, cost, y),
      { data: { values: front(rows, cost, metric) }, mark: { type: "line", strokeDash: [4, 3], color: "#888" }, encoding: { x, y } },
      { mark: { type: "rule", opacity: 0.6 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color: color(rows.length) } },
      { mark: { type: "point", filled: true, size: 90, tooltip: true }, encoding: { x, y, color: color(rows.length), tooltip } },
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
      x: { field: "step", type: "quantitative" },
      y: { field: "value", type: "quantitative", title: metric, scale: { zero: false }, axis: { format: "~g" } },
      color: color(variants),
      opacity: { condition: { param: "seen", value: 1 }, value: 0.2 },
    },
  });
}

// The cost in which the variants differ most: others may have been matched.
function widest() {
  const ratio = cost => {
    const values = data.points.rows.map(row => row.costs[cost]).filter(value => value !== undefined);
    return Math.max(...values) / Math.max(1, Math.min(...values));
  };
  const costs = Object.keys(data.points.costs).sort((a, b) => ratio(b) - ratio(a));
  return costs.length ? `costs ${costs[0]}` : undefined;
}

function choices(id, entries, chosen, redraw) {
  const select = document.getElementById(id);
  select.append(...entries.map(([value, title]) => new Option(title, value, false, value === chosen)));
  select.addEventListener("change", redraw);
}

sortable(document.getElementById("results"));
const metrics = Object.keys(data.points.metrics);
if (metrics.length) {
  const sides = kind => Object.keys(data.points[kind]).map(name => `${kind} ${name}`).map(side => [side, title(side)]);
  choices("metric", sides("metrics"), `metrics ${metrics[0]}`, pareto);
  choices("cost", [...sides("costs"), ...sides("metrics")], widest(), pareto);
  pareto();
}
if (Object.keys(data.curves).length) {
  document.getElementById("learning").hidden = false;
  choices("curve", Object.keys(data.curves).map(name => [name, name]), metrics.find(name => name in data.curves), learning);
  learning();
}
