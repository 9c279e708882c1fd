"use strict";
// Renders /openapi.json. All text goes in as text nodes, never as markup.

const byId = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== undefined && child !== ""));
  return node;
}

function resolve(doc, schema) {
  for (let i = 0; schema && schema.$ref && i < 10; i++) schema = doc.components.schemas[schema.$ref.split("/").pop()];
  return schema || {};
}

function typeOf(doc, schema) {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const type = [].concat(schema.type || "any").join(" or ");
  if (schema.items) return "array of " + typeOf(doc, schema.items);
  return type + (schema.format ? " (" + schema.format + ")" : "");
}

function limits(schema) {
  const known = { enum: "one of", minimum: "at least", maximum: "at most", minLength: "length from", maxLength: "length to",
    minItems: "items from", maxItems: "items to", pattern: "pattern", default: "default" };
  return Object.entries(known).filter(([key]) => schema && schema[key] !== undefined)
    .map(([key, word]) => word + " " + [].concat(schema[key]).join(", ")).join("; ");
}

// example makes a value of the schema to start from.
function example(doc, schema, depth) {
  schema = resolve(doc, schema);
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch ([].concat(schema.type)[0]) {
    case "object": {
      const object = {};
      if (depth < 6) for (const [name, member] of Object.entries(schema.properties || {})) object[name] = example(doc, member, depth + 1);
      return object;
    }
    case "array": return depth < 6 ? [example(doc, schema.items, depth + 1)] : [];
    case "integer": case "number": return schema.minimum || 0;
    case "boolean": return false;
    case "string": return schema.format === "uuid" ? "00000000-0000-0000-0000-000000000000" : schema.format === "date-time" ? new Date(0).toISOString() : "";
  }
  return null;
}

function table(heads, rows) {
  return el("table", {}, el("tr", {}, ...heads.map((head) => el("th", {}, head))),
    ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell)))));
}

function members(doc, schema) {
  schema = resolve(doc, schema);
  if (schema.items) schema = resolve(doc, schema.items);
  const required = schema.required || [];
  return Object.entries(schema.properties || {}).map(([name, member]) =>
    [name + (required.includes(name) ? " *" : ""), typeOf(doc, member), limits(member), member.description || ""]);
}

async function send(method, path, parameters, inputs, body, output) {
  const query = new URLSearchParams();
  const headers = {};
  for (const parameter of parameters) {
    const value = inputs[parameter.in + parameter.name].value;
    if (value === "") continue;
    if (parameter.in === "path") path = path.replace("{" + parameter.name + "}", encodeURIComponent(value));
    if (parameter.in === "query") query.append(parameter.name, value);
    if (parameter.in === "header") headers[parameter.name] = value;
  }
  if (byId("token").value) headers.Authorization = "Bearer " + byId("token").value.trim();
  if (byId("tenant").value) headers["X-Tenant-ID"] = byId("tenant").value.trim();
  if (body && body.value.trim()) headers["Content-Type"] = "application/json";
  const url = path + (query.size ? "?" + query : "");
  output.textContent = method + " " + url + "\n…";
  try {
    const answer = await fetch(url, { method, headers, body: body && body.value.trim() ? body.value : undefined, credentials: "omit" });
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    output.textContent = method + " " + url + "\n" + answer.status + " " + answer.statusText + "\n" +
      [...answer.headers].map(([name, value]) => name + ": " + value).join("\n") + "\n\n" + text;
  } catch (error) {
    output.textContent = String(error);
  }
}

function form(doc, method, path, operation) {
  const box = el("div", { class: "body" });
  const parameters = operation.parameters || [];
  const inputs = {};
  if (operation.description) box.append(el("p", {}, operation.description));
  if (operation["x-access"]) box.append(el("p", {}, "Any authenticated caller: " + operation["x-access"]));
  if (parameters.length) {
    box.append(table(["parameter", "type", "limits", "meaning", "value"], parameters.map((parameter) => {
      const input = inputs[parameter.in + parameter.name] = el("input", { size: "30", autocomplete: "off" });
      return [parameter.in + " " + parameter.name + (parameter.required ? " *" : ""), typeOf(doc, parameter.schema),
        limits(parameter.schema), parameter.description || "", input];
    })));
  }
  let body;
  const media = operation.requestBody && operation.requestBody.content["application/json"];
  if (media) {
    box.append(el("h4", {}, "Body: " + typeOf(doc, media.schema)), table(["member", "type", "limits", "meaning"], members(doc, media.schema)));
    body = el("textarea", { spellcheck: "false" });
    body.value = JSON.stringify(example(doc, media.schema, 0), null, 2);
    box.append(body);
  }
  box.append(el("p", {}, "Answers: " + Object.entries(operation.responses || {}).map(([status, answer]) => status + " " + answer.description).join(", ")));
  const success = Object.entries(operation.responses || {}).find(([status]) => status.startsWith("2"));
  const shape = success && success[1].content && Object.values(success[1].content)[0].schema;
  if (shape) {
    const data = (resolve(doc, shape).properties || {}).data;
    const rows = members(doc, data || shape);
    if (rows.length) box.append(el("h4", {}, data ? "data: " + typeOf(doc, data) : "Answer"), table(["member", "type", "limits", "meaning"], rows));
  }
  const button = el("button", { type: "button" }, "Send");
  const output = el("pre", {});
  button.addEventListener("click", () => send(method, path, parameters, inputs, body, output));
  box.append(button, output);
  return box;
}

function entry(doc, method, path, operation) {
  const details = el("details", { id: operation.operationId },
    el("summary", {}, el("span", { class: "method" }, method), el("span", { class: "path" }, path), operation.summary + " ",
      operation["x-permission"] ? el("span", { class: "permission" }, operation["x-permission"]) : ""));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(form(doc, method, path, operation));
  });
  details.dataset.text = (method + " " + path + " " + operation.summary + " " + (operation["x-permission"] || "")).toLowerCase();
  return details;
}

async function main() {
  const doc = await (await fetch("/openapi.json")).json();
  document.title = byId("title").textContent = doc.info.title + " " + doc.info.version;
  byId("about").textContent = doc.info.description || "";
  const sections = new Map((doc.tags || []).map((tag) => [tag.name, { tag, entries: [] }]));
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const name = (operation.tags || ["Other"])[0];
      if (!sections.has(name)) sections.set(name, { tag: { name }, entries: [] });
      sections.get(name).entries.push(entry(doc, method.toUpperCase(), path, operation));
    }
  }
  byId("operations").replaceChildren(...[...sections.values()].map(({ tag, entries }) =>
    el("section", {}, el("h2", {}, tag.name), el("p", {}, tag.description || ""), ...entries)));
  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const details of document.querySelectorAll("details")) details.hidden = !details.dataset.text.includes(wanted);
  });
}

main().catch((error) => byId("operations").replaceChildren(el("p", {}, "The document could not be loaded: " + error)));
