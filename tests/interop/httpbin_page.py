"""httpbin, with one more page for a browser: its script uses what httpbin serves, and writes what came of it down."""

from httpbin import app

PAGE = """<!doctype html><html><head><title>-</title></head><body><img src="/image/png"><iframe></iframe><script>
    const frame = document.querySelector('iframe');
    const loaded = () => new Promise(resolve => frame.addEventListener('load', resolve, {once: true}));
    (async () => {
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
        document.title = [got.args.a, posted.custname, posted.comments.split(/\\s+/).join('+'), cookies.cookies.c,
                          zipped.gzipped, document.images[0].naturalWidth > 0].join(' ');
    })().catch(error => document.title = error);
</script></body></html>"""


@app.route("/page")
def page():
    return PAGE
