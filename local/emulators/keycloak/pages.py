"""The pages that people see: signing in, signing out, and what went wrong. They work without scripts."""

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; --page: #f2f4f7; --card: #fff; --text: #16202b; --soft: #51606f; --line: #7b8794;
  --accent: #0b5cad; --on-accent: #fff; --bad: #a3141d; }
@media (prefers-color-scheme: dark) {
  :root { --page: #10161d; --card: #1a222c; --text: #eef2f6; --soft: #aab6c2; --line: #8593a1; --accent: #7db7ff;
    --on-accent: #0b1520; --bad: #ff9c9c; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; padding: 2rem; background: var(--card); border-radius: .75rem;
  border: 1px solid color-mix(in srgb, var(--line) 35%, transparent); }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; }
p { margin: 0 0 1rem; color: var(--soft); overflow-wrap: anywhere; }
main > :last-child { margin-bottom: 0; }
p.bad { color: var(--bad); font-weight: 600; }
label { display: block; margin: 1rem 0 .3rem; font-weight: 600; }
input, button { width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border-radius: .5rem; font: inherit; }
input { border: 1px solid var(--line); background: transparent; color: inherit; }
input[aria-invalid=true] { border: 2px solid var(--bad); }
button { margin-top: 1.5rem; border: 0; background: var(--accent); color: var(--on-accent); font-weight: 600;
  cursor: pointer; }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
"""
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"


def login(title: str, action: str, username: str = "", problem: str = "") -> str:
    """The form posts `username` and `password` to `action`; `problem` is read out when it appears."""
    wrong = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    said = f'<p class="bad" id="problem" role="alert">{escape(problem)}</p>' if problem else ""
    body = f"""<h1>Sign in</h1>
<p>{escape(title)}</p>
{said}
<form id="kc-form-login" method="post" action="{escape(action)}">
<label for="username">Username or email</label>
<input id="username" name="username" type="text" value="{escape(username)}" autocomplete="username"
 autocapitalize="none" spellcheck="false" required{" autofocus" if not username else ""}{wrong}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required{" autofocus" if username else ""}{wrong}>
<button id="kc-login" type="submit">Sign in</button>
</form>"""
    return _page(f"Sign in to {title}", body)


def confirm_logout(action: str, code: str) -> str:
    body = f"""<h1>Sign out</h1>
<p>Do you want to log out?</p>
<form method="post" action="{escape(action)}">
<input type="hidden" name="session_code" value="{escape(code)}">
<button id="kc-logout" name="confirmLogout" value="Logout" type="submit">Logout</button>
</form>"""
    return _page("Sign out", body)


def message(title: str, text: str) -> str:
    return _page(title, f'<h1>{escape(title)}</h1>\n<p class="instruction" role="status">{escape(text)}</p>')


def _page(title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
