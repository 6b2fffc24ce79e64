"""Write the files of ten partners, as they send them: examples/partners/generate.py FOLDER.

The content is the same every time. In the files of each partner, one record is wrong.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from workbook import workbook

NBSP = "\u00a0"

# 1. A German bank: title lines, semicolons, 1.234,56, dd.mm.yyyy, a row of totals. The 31st of November does not exist.
BANK = """\
Kontoauszug;Musterbank AG
IBAN;DE02 1203 0000 0000 2020 51
Zeitraum;01.11.2026 - 30.11.2026

Buchungstag;Empfänger;Verwendungszweck;Betrag
02.11.2026;Stadtwerke Köln;Abschlag November;-1.234,56 €
03.11.2026;Müller & Söhne;"Rechnung 4711; Teil 2";12.500,00 €
31.11.2026;Finanzamt;Umsatzsteuer;-980,10 €
30.11.2026;Musterbank AG;Zinsen;0,07 €
Summe;4 Buchungen;;10.285,41 €
"""

# 2. A French shop: cp1252, no-break blanks in numbers, percent, oui and non. "peut-être" is neither of them.
SHOP = """\
Référence;Désignation;Prix;Remise;Disponible;Créé le
R-100;Café moulu « Équilibre »;1~234,50~€;12,5~%;oui;03/11/2026
R-101;Thé vert;8,90~€;;non;04/11/2026
R-102;Pâté de campagne;12,00~€;5~%;peut-être;04/11/2026
R-103;Crème brûlée;1~000~000,00~€;0~%;oui;28/02/2026
""".replace("~", NBSP)

# 3. A ledger from the US: parentheses, dollars, a trailing minus, m/d/Y and m/d/y. There is no month 28.
LEDGER = """\
Account,Description,Amount,Posted
4000,Product sales,"$12,400.00",11/02/2026
4010,Returns,"($1,150.75)",11/3/26
6100,"Rent, November","2,800.00-",11/05/2026
6200,Utilities,$310.20,28/11/2026
"""

# 4. A mainframe: H and T frame the file, P are policies, C are claims. The second claim has a letter in its amount.
MAINFRAME = """\
H20261130INSURANCE CO
P0000001Anderson            000125.0020260101
P0000002Öberg               000099.9520260215
C0000001FIRE      0004500.00-20261011
C0000002WATER     0001O00.00 20261102
T0000004
"""

# 5. A shop's orders in XML: a namespace, an element nested in another, several lines. The last one was paid in "EURO".
ORDERS = """\
<?xml version="1.0" encoding="UTF-8"?>
<o:orders xmlns:o="urn:shop:orders" xmlns:p="urn:shop:payment">
  <o:order id="7001" placed="2026-11-28T22:15:00+01:00">
    <o:customer><o:name>Ann &amp; Sons</o:name><o:city>Zürich</o:city></o:customer>
    <o:line sku="A-1" count="2"/>
    <o:line sku="B-9" count="1"/>
    <p:total currency="CHF">149.90</p:total>
  </o:order>
  <o:order id="7002" placed="2026-11-29T08:00:00+01:00">
    <o:customer><o:name>Béla</o:name></o:customer>
    <o:line sku="C-3" count="5"/>
    <p:total currency="EUR">20.00</p:total>
  </o:order>
  <o:order id="7003" placed="2026-11-29T09:30:00+01:00">
    <o:customer><o:name>Cem</o:name><o:city>Bern</o:city></o:customer>
    <o:line sku="A-1" count="1"/>
    <p:total currency="EUR">free</p:total>
  </o:order>
</o:orders>
"""

# 6. A workbook: a title over the table, remarks beside and below it, one sheet for orders and one for each month.
SHEETS: dict[str, list[list[object]]] = {
    "Read me": [["Prepared by sales, 30 November"]],
    "Orders": [
        ["Orders 2026"],
        [],
        ["", "Order", "Customer", "Amount", "", "checked: KM"],
        ["", 1, "Ann", 149.9],
        ["", 2, "Béla", 20, "", "ask again"],
        ["", 3, "Cem", "n/a"],
    ],
    "2026-10": [["October"], [], ["", "Day", "Visits"], ["", date(2026, 10, 1), 120], ["", date(2026, 10, 2), 95]],
    "2026-11": [["November"], [], ["", "Day", "Visits"], ["", date(2026, 11, 1), 88]],
}

# 7. An API: a pretty-printed document with the rows as lists; their first one has the names. The last rate is a word.
RATES = {
    "meta": {"base": "EUR", "day": "2026-11-30"},
    "data": {
        "rows": [["currency", "rate", "fixed"], ["CHF", 0.9312, False], ["DKK", 7.46, True], ["SEK", "n/a", False]]
    },
}

# 8. The log of a web server: tabs, comments, quotes that mean nothing. One line lacks its status.
ACCESS = """\
#Version: 1.0
#Fields: time client request status agent
2026-11-30T10:00:00Z\t10.0.0.1\tGET /\t200\t"Mozilla/5.0
2026-11-30T10:00:01Z\t10.0.0.2\tGET /q?name="a"\t404\tcurl/8.5
# restarted
2026-11-30T10:00:09Z\t10.0.0.1\tGET /favicon.ico
2026-11-30T10:00:10Z\t10.0.0.3\tPOST /login\t302\t-
"""

# 9. The customers of a partner, every day. On the second day there is a new column, and a code instead of a year.
CUSTOMERS = """\
id,name,email,phone,born
1,Ann,ann@example.org,+41 44 123 45 67,1980
2,Béla,bela@example.org,,1975
"""
CUSTOMERS_NEXT = """\
id,name,email,phone,born,tier
2,Béla,bela@example.net,+36 1 555 0199,1975,gold
3,Cem,cem@example.org,+90 212 555 0100,unknown,silver
x,Dora,dora@example.org,+49 30 555 0142,1990,silver
"""

# 10. Telemetry on the night of 25 October 2026, when Berlin has the hour from two to three twice.
TELEMETRY = """\
{"device": "d1", "sent": 1792886399500, "local": "2026-10-25 01:59:59.5", "celsius": 4.5}
{"device": "d1", "sent": 1792891800000, "local": "2026-10-25 02:30:00", "celsius": 4.25}
{"device": "d1", "sent": 1792893600250, "local": "2026-10-25 03:00:00.25", "celsius": 4.0}
"""

FILES: dict[str, bytes] = {
    "bank/umsaetze.csv": BANK.encode("iso-8859-15"),
    "shop/produits.csv": SHOP.encode("cp1252"),
    "ledger/november.csv": LEDGER.replace("\n", "\r\n").encode(),
    "mainframe/policies.dat": MAINFRAME.encode("iso-8859-1"),
    "orders/orders.xml": ORDERS.encode(),
    "workbooks/sales.xlsx": workbook(SHEETS),
    "api/rates.json": (json.dumps(RATES, indent=2) + "\n").encode(),
    "logs/access.tsv": ACCESS.encode(),
    "customers/acme_20261129.csv": CUSTOMERS.encode(),
    "customers/acme_20261130.csv": CUSTOMERS_NEXT.encode(),
    "telemetry/north.jsonl": TELEMETRY.encode(),
    "telemetry/north (1).jsonl": TELEMETRY.encode(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the files of ten partners.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
