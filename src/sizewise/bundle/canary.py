"""Canary texts: written for this project, to show that a pipeline still answers as it did when it was built.

They are short and long, in several languages and scripts, questions, code, numbers, near-duplicates that differ in one
word, white space and emoji: what goes through different paths of tokenizers, batching and pooling. They name no real
person. A bundle carries its own copy, so that changing this list leaves earlier bundles alone.
"""

LONG = """
The lock on the upper canal was built in three summers, and for most of that time nobody in the village believed
that it would hold. The first spring brought so much meltwater that the coffer dam was overtopped twice; the second
brought a dispute about the quarry, which had promised granite and sent limestone; in the third the engineer fell
ill, and the work was finished by the foreman, who could not read a drawing but knew how water behaves. When the
gates were closed for the first time, on a grey morning in October, the basin filled in eleven minutes. A barge with
a cargo of roof tiles went through before noon, followed by two rowing boats that had no business there at all.

Since then the lock has been repaired nine times. The oak of the lower gates lasts about thirty years, that of the
upper ones a little longer, since they are under water less often. In dry years the keeper may open it only every
second hour, because each passage sends some four hundred cubic metres downhill, and there is only so much in the
reservoir above. There is a table of these figures on the wall of the keeper's house, painted over and corrected so
often that the oldest layer of numbers stands out like a relief. Visitors photograph it. What they do not see is the
culvert under the towpath, a plain brick tunnel barely a metre high, which does more of the work than the gates do:
it lets the flood past when the gates must stay shut, and it has never once been closed.

If you walk on along the towpath for half an hour you reach the aqueduct, where the canal crosses the river on five
low arches. It leaks a little, always has, and in hard winters long icicles hang from the second arch. The railway
runs beside it on a bridge of its own. From a train you would not notice that anything is unusual: there is water
above, and water below, and for a moment you are between them.
"""

TEXTS: tuple[str, ...] = (
    "river",
    "a",
    "The night train leaves at 22:14 from platform 7.",
    "The night train leaves at 22:14 from platform 9.",
    "The night train arrives at 22:14 on platform 7.",
    "The parcel was delivered to the wrong address.",
    "The parcel was not delivered to the wrong address.",
    "How do I change the delivery address of an order?",
    "Where can I see what my electricity contract costs per month?",
    "Why does bread go stale faster in the refrigerator?",
    "Which of the two engines uses less fuel at low speed, and by how much?",
    "Is it allowed to fish from the harbour wall?",
    "what is the boiling point of water at an altitude of 3000 metres",
    "BOILING POINT OF WATER AT AN ALTITUDE OF 3000 METRES",
    "The tenant must give notice in writing three months before the end of the lease.",
    "The landlord must give notice in writing three months before the end of the lease.",
    "The patient reported mild headaches after the second dose; blood pressure was normal.",
    "Mix the flour, salt and yeast, add the water, and let the dough rest overnight in a cool place.",
    "Quarterly revenue rose by 4.2% to 18.6 million, while operating costs fell by 1.1%.",
    "3.14159 26535 89793 23846",
    "Invoice 2026-11-0042: 3 x 19.90 = 59.70, VAT 19% = 11.34, total 71.04",
    "def mean(values):\n    return sum(values) / len(values) if values else 0.0\n",
    "SELECT name, count(*) FROM orders WHERE paid = FALSE GROUP BY name HAVING count(*) > 3;",
    'for i in $(seq 1 10); do echo "line $i" >> out.txt; done',
    '{"id": 17, "tags": ["blue", "large"], "price": null}',
    "https://example.org/shop/lamps?colour=brass&page=2#reviews",
    "E = m c^2, and so 1 kg of matter holds about 9e16 J.",
    "Die Fähre zur Insel fällt bei starkem Wind aus.",
    "Wie lange ist das Museum am Sonntag geöffnet?",
    "La bibliothèque est fermée pendant les vacances d'été.",
    "¿Dónde puedo recoger mi maleta si el vuelo se ha retrasado?",
    "O café esfria depressa nesta chávena de metal.",
    "Il ponte vecchio è chiuso al traffico da lunedì.",
    "Kedi bahçedeki eski sandalyenin altında uyuyor.",
    "Поезд опаздывает на двадцать минут из-за снега.",
    "Η βροχή σταμάτησε και βγήκε ο ήλιος.",
    "الماء بارد جدا في هذا الفصل من السنة",
    "הספרייה נפתחת בשעה תשע בבוקר",
    "बारिश के बाद बगीचे की मिट्टी गीली है।",
    "桥在冬天关闭,请走另一条路。",
    "次の電車は何時に出ますか。",
    "다리 공사 때문에 길이 막힙니다.",
    "รถไฟขบวนสุดท้ายออกตอนเที่ยงคืน",
    "Great service \U0001f600 would order again \U0001f44d\U0001f3fd \U0001f1e9\U0001f1f0",
    "   \t \n  ",
    "  two   spaces\tand a tab,\n\n\nand  lines between  ",
    "word " * 400,
    " ".join(LONG.split()),
)
