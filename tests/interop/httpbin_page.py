"""httpbin, with one more page for a browser: its script uses what httpbin serves, and writes what came of it down."""

import browser_pages
from httpbin import app

PAGE = browser_pages.page(
    """
        const frame = document.querySelector('iframe');
        const loaded = () => new Promise(resolve => frame.addEventListener('load', resolve, {once: true}));
        const got = await (await fetch('/get?a=b')).json();
        let load = loaded();
        frame.src = '/forms/post';
        await load;
        const form = frame.contentDocument.forms[0];
        form.custname.value = 'Ada';
        form.comments.value = 'two\\nlines';
        load = loaded();
        form.submit();
        await load;
        const posted = JSON.parse(frame.contentDocument.querySelector('pre').textContent).form;
        const cookies = await (await fetch('/cookies/set?c=d')).json();
        const zipped = await (await fetch('/gzip')).json();
        await document.images[0].decode();
        return [got.args.a, posted.custname, posted.comments.split(/\\s+/).join('+'), cookies.cookies.c,
                zipped.gzipped, document.images[0].naturalWidth > 0];
    """,
    '<img src="/image/png"><iframe></iframe>',
)


@app.route("/page")
def page():
    return PAGE
