// The door: exchanges the token of the link for a cookie, once, and goes on to the page it is for.
import { finish, say, send } from "./page.js";

const token = location.hash.slice(1);
// Out of the address bar and the history, whatever comes of it.
history.replaceState(null, "", location.pathname);

say("please_wait");
// Without a token this is the door loaded again: nothing to ask for, and nothing to be counted as a guess of the visitor's address.
const answer = token === "" ? undefined : await send("/hosted/open", { token });
if (answer?.ok) location.replace(answer.body.path);
// The link was not even looked at where too much has come from the visitor's address, and where nobody answers it may still be good.
else if (answer !== undefined && (!answer.certain || answer.code === "too_many_failures")) finish("trouble_title", "trouble_text");
else finish("ended_title", "ended_text");
