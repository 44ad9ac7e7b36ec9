"""Pages for a browser, and what their scripts share: each writes what came of it into its title, as words.

``interop_apps.py`` and ``httpbin_page.py`` serve them.
"""

#: How many images, and how many texts, a page asks for at once.
MANY = 60
#: An expression: the versions of HTTP that the page, its frames, and all that these have loaded came by.
PROTOCOLS = """[...new Set([window, ...Array.from(window)].flatMap(
    each => ['navigation', 'resource'].flatMap(kind => each.performance.getEntriesByType(kind))
).map(entry => entry.nextHopProtocol))].sort().join()"""


def page(script: str, body: str = "") -> str:
    """A page whose title becomes what ``script``, the inside of an asynchronous function, returns: a list of words."""
    return f"""<!doctype html><html><head><title>-</title></head><body>{body}<script>
        (async () => {{ {script} }})()
        .then(words => document.title = [...words, {PROTOCOLS}].join(' '))
        .catch(error => document.title = error);
    </script></body></html>"""


def image_of(width: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="3"/>'


def text_of(number: int) -> str:
    """Text of its own for each number: of some, more than a stream's window has room for."""
    return f"{number}\n" * 500 * number


#: As many images and as many texts at once.  The title: how many of each were the right ones.
MANY_PAGE = page(
    f"""
        const loaded = new Promise(resolve => addEventListener('load', resolve));
        const texts = await Promise.all(Array.from({{length: {MANY}}}, async (_, i) => {{
            const text = await (await fetch('/text?n=' + i)).text();
            return text == (i + '\\n').repeat(500 * i);
        }}));
        await loaded;
        const images = [...document.images].filter((image, i) => image.naturalWidth == i + 1);
        return [images.length, texts.filter(right => right).length];
    """,
    "".join(f'<img src="/image/{i + 1}.svg">' for i in range(MANY)),
)

#: Images that do not end, given up together: when all of them have begun, and once more when none of them has.  The
#: title: how many were given up, what the application knows of that, and what else is served then.
CANCELLED_PAGE = page(
    f"""
        let given_up = 0;
        for (const kind of ['begun', 'silent']) {{
            const controller = new AbortController();
            const images = Array.from({{length: {MANY}}}, async (_, i) => {{
                const response = await fetch('/endless/' + kind + '?n=' + i, {{signal: controller.signal}});
                await response.blob();
            }});
            await fetch('/until?what=running&number={MANY}');
            controller.abort();
            const results = await Promise.allSettled(images);
            given_up += results.filter(result => result.reason?.name == 'AbortError').length;
            await fetch('/until?what=running&number=0');
        }}
        performance.clearResourceTimings();
        const ended = await (await fetch('/until?what=ended&number={2 * MANY}')).text();
        const hello = await (await fetch('/hello')).text();
        return [given_up, ended, hello];
    """
)
