"""Draw the card of a page, for where a link to it is shared."""

from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

SIZE = WIDTH, HEIGHT = 1200, 630
MARGIN, TEXT = 70, 640
INK, QUIET = "#1b1f24", "#57606a"
BARS = ("#0072b2", "#e69f00")


def letters(name, size):
    return ImageFont.truetype(Path(get_data_path(), f"fonts/ttf/{name}.ttf"), size)


def wrapped(text, font):
    """Break a text into lines that fit beside the picture."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= TEXT:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def draw(path, book, title, description, picture):
    card = Image.new("RGB", SIZE, "white")
    side = HEIGHT - 3 * MARGIN
    with Image.open(picture) as image:
        card.paste(image.convert("RGB").resize((side, side)), (WIDTH - MARGIN - side, MARGIN + 20))
    pen = ImageDraw.Draw(card)
    y = MARGIN
    for text, font, colour in (
        (book if book != title else "", letters("DejaVuSans", 24), QUIET),
        (title, letters("DejaVuSans-Bold", 54), INK),
        (description, letters("DejaVuSans", 28), QUIET),
    ):
        lines = wrapped(text, font)
        pen.multiline_text((MARGIN, y), lines, fill=colour, font=font, spacing=12)
        y = pen.multiline_textbbox((MARGIN, y), lines, font=font, spacing=12)[3] + 40
    for place, colour in enumerate(BARS):
        pen.rectangle((place * WIDTH / 2, HEIGHT - 24, (place + 1) * WIDTH / 2, HEIGHT), colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    card.quantize(16).save(path, optimize=True)
