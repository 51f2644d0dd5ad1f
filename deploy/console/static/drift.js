// Drift of each feature: what is served against what the model was trained on.

import { badge, card, el, table } from "./dom.js";
import { ratio, share } from "./format.js";
import { page } from "./frame.js";

page("/api/drift", 5, ({ features, some, much }) => [
  card(
    "Features, the most moved first",
    table(
      `PSI of serving and training values: below ${some} nothing has moved, from ${much} on much has`,
      [["feature"], ["", ""], ["PSI", "number"], ["KL, nats", "number"], ["missing", "number"], [""]],
      features.map((item) => [
        el("b", {}, item.feature),
        el("meter", { class: "more", min: 0, max: 2 * much, value: item.psi ?? 0, title: `PSI ${ratio(item.psi, 3)}` }),
        ratio(item.psi, 3),
        ratio(item.kl, 3),
        share(item.default_share),
        word(item.psi, some, much),
      ]),
      "nothing is measured yet: it takes a package with a reference, and traffic",
    ),
  ),
]);

function word(psi, some, much) {
  if (psi == null) return badge("unknown", "not known");
  if (psi < some) return badge("good", "as trained");
  return psi < much ? badge("warn", "has moved") : badge("bad", "has moved much");
}
