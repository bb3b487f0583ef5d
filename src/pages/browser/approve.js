// Approves or declines what the page shows.
import { ask, fact, finish, on, say, sayRefusal, tellExpiry } from "./page.js";
import { usePasskey } from "./passkey.js";

tellExpiry();

on("#approve", async () => {
  const asked = await ask("/approval/options");
  if (!asked.ok) return sayRefusal(asked);
  // What is signed has to be what was shown when this page was made.
  if (asked.body.options.challenge !== fact("challenge")) return say("changed", true);
  const response = await usePasskey(asked.body.options);
  if (response === undefined) return;
  say("working");
  const answer = await ask("/approval", { response });
  if (answer.ok) finish("approved_title", "approved_text", answer.body.return_url);
  else sayRefusal(answer);
});

on("#decline", async () => {
  const answer = await ask("/decline");
  if (answer.ok) finish("declined_title", "declined_text", answer.body.return_url);
  else sayRefusal(answer);
});
