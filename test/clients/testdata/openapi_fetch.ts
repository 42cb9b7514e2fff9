// A client by openapi-typescript and openapi-fetch makes a filtered call.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const client = createClient<paths>({
  baseUrl: process.env.GATEWAY,
  headers: { "x-api-key": process.env.CMU_KEY },
  querySerializer: { object: { style: "form", explode: true } },
});

async function rows(query: paths["/cmu/v2/{dimensions}"]["get"]["parameters"]["query"]) {
  const { data, error } = await client.GET("/cmu/v2/{dimensions}", {
    params: { path: { dimensions: "year/month/mvpd" }, query: { start: "2026-01", end: "2026-03", ...query } },
  });
  if (error) throw new Error(error.detail);
  if (typeof data === "string") throw new Error("not JSON");
  const by: Record<string, number> = {};
  for (const row of data.report) by[String(row["mvpd"])] = (by[String(row["mvpd"])] ?? 0) + 1;
  return by;
}

function must(what: string, ok: boolean, got: unknown) {
  if (!ok) throw new Error(`${what}: ${JSON.stringify(got)}`);
}

const some = await rows({ mvpd: ["Comcast_SSO", "Cox"] });
must("in", Object.keys(some).length === 2 && some["Cox"] === 2, some);
const one = await rows({ filters: { "mvpd!": "Cox" } });
must("not in", Object.keys(one).length > 1 && !("Cox" in one), one);
const refused = await client.GET("/cmu/v2/{dimensions}", { params: { path: { dimensions: "year/nonsense" } } });
must("404", refused.response.status === 404 && refused.error?.code === "refused_by_adobe", refused.error);
