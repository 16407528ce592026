"""HL7.md 2 in the languages of the wards: what the texts beside a code, a specimen and a remark mean."""

import pytest

from consumer.hl7.codes import Kind, classify, split_identifier
from consumer.hl7.comments import conditions_of
from consumer.hl7.specimen import vetoes
from rules.events import Condition

AGREE = {
    "2823-3": """Kalium | Potasio | POTÁSSIO | Potassium | Калий в сыворотке | 血清钾 | 钾离子 | カリウム | 칼륨
        | K | K+ | K⁺ | Ｋ | Potasyum (Serum) | Potassio | S-Kalium | P-Kalium | Kalium (Vollblut)
        | POTASSIUM,SERUM | Potassium Lvl | Kaliémie | Potassium, Whole Blood
        | Potassium [Moles/volume] in Serum or Plasma | Potassium BldA-sCnc | Potassiemia
        | Potassium pre-dialysis | Kalium vor Dialyse | Kalium nach HD | Potassium du plasma
        | Ionograma: Potasio | 钾:物质的量浓度:时间点:血清/血浆:定量型 | Potassium, Plas/Ser Quant
        | Kalium (Urgent)""",
    "19123-9": """Magnesium | Magnesio | Magnésio | Magnésium | Mg | Mg++ | Mg²⁺ | MAG | 镁 | マグネシウム
        | MAGNEZYUM | Магний | Magnésémie | S-Magnesium | Magnesium Lvl | Magnesium(II) | 镁离子
        | Magnesium total""",
    "17861-6": """Calcium | Cálcio | KALSİYUM | Kalsium | Kalzium | 总钙 | カルシウム | Ca++ | Calcium, Total
        | Calcémie | Wapń""",
    "1995-0": """Calcium ionized | iCa | Calcio ionizado | Cálcio iônico | Kalsium ionisert | Free Calcium
        | Ca++ | İyonize Kalsiyum | 离子钙 | Calcium.ionized SerPl-sCnc | Geïoniseerd calcium
        | Ca-I BldA-sCnc | Ionised Ca | Ionized Ca++""",
    "2160-0": """Creatinine | KREATİNİN | Créatinine | Creatinina sérica | Креатинин | 肌酐 | クレアチニン
        | CREA | Cr | P-Kreatinin | Créatininémie | Kreatinin (Jaffé) | CREATININE WITH EGFR
        | Creatinine [Mass/volume] in Serum or Plasma | Creat SerPl-mCnc | Creat Bld-mCnc""",
    "98979-8": """eGFR | Filtrado glomerular | Taxa de filtração glomerular | DFG | TFG | VFG
        | Glomerüler filtrasyon hızı | Geschätzte GFR | 估算肾小球滤过率 | Estimated GFR (MDRD equation)
        | eGFR (Creatinine) | GFR/BSA.pred SerPlBld CKD-EPI""",
    "10535-3": "Digoxin | Digoxine | Digossina | Digoksin | Digoxinspiegel | 地高辛 | ジゴキシン",
}
"""By code: texts that name the analyte."""

DISAGREE = {
    "2823-3": """U-Kalium | dU-Kalium | Potasio en orina | Potasio urinario | Potássio urinário
        | Potassium urinaire | Kalium i.U. | Kalium Sammelurin | Urinkalium | Kalium im Harn
        | Spot idrar potasyum | İDRAR POTASYUM | 尿钾 | Калий мочи | Kalium i urin | Kaliurie | 胸水カリウム
        | 脑脊液钾 | Kalium liquor | Kalium dialysaat | Potassium liquide de ponction | Kalium Punktat
        | Potasio LCR | Potássio no líquor | Kalium intraerythrozytär | Potassium RBC | Potassium Stl-sCnc
        | Kalium in ontlasting | Kalium i fæces | Kaliumausscheidung | FE Kalium | Kalium/Kreatinin
        | Sodium/Potassium | Natrium-Kalium-Quotient | Nabelschnur Kalium | Potasio cordón | Potassium, 24 hr
        | Kalium drain | Magnesium | Voltage gated potassium channel Ab | Kalium gecorrigeerd | INR | Na/K""",
    "19123-9": """Magnesium RBC | Magnésium érythrocytaire | Magnesio eritrocitario | Magnezyum (idrar)
        | 红细胞镁 | Calcium | Magnesium, ionized | Magnesio ionizado | Magnésio iônico
        | Magnesium/Kreatinin i urin | Mangan | 尿镁""",
    "17861-6": """Kalsium ionisert | Cálcio iônico | Calcio iónico | İyonize Kalsiyum | IYONIZE KALSIYUM
        | Free Calcium | Geïoniseerd calcium | 离子钙 | 游离钙 | イオン化カルシウム | Кальций ионизированный
        | Kalsium, fritt | Calcium-ion(frit) | Ca-I SerPl-sCnc | Korrigiertes Calcium | Albuminkorrigert kalsium
        | Cálcio corrigido | Düzeltilmiş Kalsiyum | 校正钙 | Adjusted Calcium | Calciurie | Calcium/Creatinine
        | Calcium x Phosphate | Calcium oxalate crystals | CRP | 肌钙蛋白""",
    "1995-0": "Calcium ionized urine | Ionized calcium, pH corrected | Magnesium ionized",
    "2160-0": """Kreatininclearance | Creatinine Cl | Aclaramiento de creatinina | Depuração de creatinina
        | Kreatinin klirensi | Clairance de la créatinine | Creatinineklaring | 内生肌酐清除率
        | クレアチニンクリアランス | Клиренс креатинина | Creatinina urinaria | Créatininurie
        | Kreatinin (idrar) | 尿肌酐 | BUN/Creatinine | Urea:Creatinine | Protein/Creatinine
        | Relação proteína/creatinina | Albumin-Kreatinin-Quotient | Drain creatinine | Creatine Kinase""",
    "98979-8": "Creatinine clearance | Creatinine | Cockcroft-Gault",
    "10535-3": "Digitoxin | Digitoksin | Digoxin/Digitoxin | Digoxin Antibody | 洋地黄毒苷",
}
"""By code: texts that name another fluid, another quantity, another analyte, or nothing that we know."""


def rows(table: dict[str, str]) -> list[tuple[str, str]]:
    """Return (code, text) of every text in a table whose texts are separated by bars."""
    return [(code, text.strip()) for code, texts in table.items() for text in texts.split("|") if text.strip()]


@pytest.mark.parametrize(("code", "text"), rows(AGREE))
def test_hl7_2_a_text_that_agrees(code: str, text: str) -> None:
    """A text that contains a name of the analyte, or is its symbol, agrees: in any language, case or width."""
    assert classify(split_identifier(f"{code}^{text}^LN")).kind is Kind.OURS
    assert classify(split_identifier(f"L1^{text}^L^{code}^{text}^LN")).kind is Kind.OURS


@pytest.mark.parametrize(("code", "text"), rows(DISAGREE))
def test_hl7_2_a_text_that_disagrees(code: str, text: str) -> None:
    """Another fluid, another quantity, an ionized one under total calcium, or no name at all: never judged."""
    assert classify(split_identifier(f"{code}^{text}^LN")).kind is Kind.DISAGREE
    assert classify(split_identifier(f"L1^{text}^L^{code}^^LN")).kind is Kind.DISAGREE
    assert classify(split_identifier(f"{code}^^LN^^^^^^{text}")).kind is Kind.DISAGREE


VETOING = """UR | UR^Urine | URINM^Urine^HL70487 | ^Urine | ^^^UR | ^^^^Urine, random | URINE | Other Body Fluid
    | Cerebrospinal Fluid (CSF) | Joint Fluid | Pleural | 24h Urin | SU^Sammelurin^MOLIS | ^24h-Harn | ^İdrar
    | ^IDRAR | ^LCR | ^Líquido pleural | ^Orina de 24 horas | ^Beyin omurilik sıvısı | ^Dialysaat
    | ^Dialysevæske | ^Cordão umbilical | ^Sang du cordon | ^Nabelschnurblut | BLDCO | DIAF^Dialysis fluid
    | ^随机尿 | ^脑脊液 | ^脐带血 | DRNG | SER~UR | 119339001^Stool specimen^SCT | X^x^L^UR^Urine^HL70487"""
NOT_VETOING = """SER | BLD | BLOOD | EDTA^Paarse dop&xxxx | BLDA^Blood arterial | 15^Suero
    | SER^Serum^^^^Urology ward | Urine Dept | ^Serum^^^^^Dr. Urine | Dr. Cord^Smith | PROV001^TEST^PROVIDER
    | ^Plasma lithium heparin | B^Blut | 血清 | ^静脉血 | ^Kan | USPEC | LNA
    | SP15&1.2&L^ACDA^Collection Method^BN&223.3&L"""


@pytest.mark.parametrize(
    ("source", "vetoed"),
    [(text.strip(), True) for text in VETOING.split("|")] + [(text.strip(), False) for text in NOT_VETOING.split("|")],
)
def test_hl7_2_specimens(source: str, vetoed: bool) -> None:
    """Urine, dialysate, CSF, fluids, cord by code and by whole words; a physician or a department is no specimen."""
    assert vetoes(source) is vetoed


REMARKS = {
    Condition.HEMOLYZED: """HEMOLYZED SLIGHTLY | HEMOLYZED, MODERATELY | MARKEDLY LIPEMIC, SLIGHTLY HEMOLYZED
        | SLIGHTLY HEMOLYZED AND GROSSLY LIPEMIC | MODERATELY HEMOLYZED | SPECIMEN SLIGHTLY HEMOLYZED
        | 2+ hemolysis | Hemolyse + | HEMOLYSIS INDEX 2+ | Hemolysis index 150 | Amostra levemente hemolisada
        | Muestra ligeramente hemolizada | 标本轻微溶血 | Échantillon légèrement hémolysé
        | leicht hämolytisches Serum | Hemolysert prøve | Hæmolyse | HEMOLİZLİ NUMUNE | Siero emolitico
        | Гемолиз | licht hemolytisch | NO VISIBLE ICTERUS. HEMOLYZED. | Possible hemolysis
        | HEMOLYSIS FALSELY ELEVATES K | Hemolyzed. Grossly lipemic | Monster gehemolyseerd | Hemolyserat prov
        | Próbka zhemolizowana | ?haemolysed | Hemolyzed and lipemic | Hämolyseindex: 120
        | Icterus 3+ Hemolysis 1+ | 2+ hemolysis 3+ icterus | Hemolysis: 2 | Hemolysis: Y | Haemolysis: 150
        | Hemolyzed 0915 called to the ward | hemolyzed: 09:15 called""",
    Condition.GROSSLY_HEMOLYZED: """GROSSLY HEMOLYZED. HEMOLYSIS FALSELY ELEVATES K | MARKEDLY HEMOLYZED
        | HEMOLYZED, GROSSLY | GROSSLY HEMOLYZED AND LIPEMIC | Hemolysis 3+ | Hämolyse +++
        | hochgradige Hämolyse | hémolyse massive | Hemólisis marcada | hemólise acentuada | sterkt hemolysert
        | ernstig hemolytisch | aşırı hemolizli | 重度溶血 | emolisi marcata | сильный гемолиз
        | HEMOLYSIS INDEX: 412 | Hämolyseindex: 320 | silná hemolýza | Kraftigt hemolyserat
        | Hemolysis 3+ Icterus 1+ | 1+ icterus 3+ hemolysis | Hemolysis = 350 mg/dL""",
    Condition.CLOTTED: """Specimen clotted | Clots present | CLOT | micro clots detected
        | Gerinnsel in der Probe | Probe geronnen | caillot | muestra coagulada | amostra coagulada
        | campione coagulato | pıhtılı numune | 有凝块 | clotted specimen, please repeat | Koagulerat prov
        | Is the patient fasting? Sample clotted""",
    Condition.CONTAMINATED: """Specimen contaminated | IV contamination | Kontamination mit Infusion
        | échantillon contaminé | muestra contaminada con suero | Prøven er forurenset | 标本污染""",
    None: """no gross hemolysis | Hemolysis: 0 | Hemolysis Index 12 | Hämolyse negativ | pas d'hémolyse
        | sin hemólisis | não hemolisada | non emolizzato | uten hemolyse | geen hemolyse | hemoliz yok | 未溶血
        | 溶血なし | нет гемолиза | Recollected: first sample hemolyzed | Vorprobe hämolytisch
        | forrige prøve hemolysert | önceki numune hemolizli | ß-hämolysierende Streptokokken
        | Streptococo beta-hemolítico | 溶血性贫血 | If hemolyzed, results may be elevated | loincloth
        | Cross-Contamination of words | No clots | r/o clot | hx of clots in the leg | Rule out hemolysis
        | history of clot | Clotting time prolonged | gold top, clot activator | sem coágulos
        | Possible IV contamination | Urine culture contaminated | NOTIFIED PATIENT CREDITED | ___
        | ?EDTA contamination | Sample contaminated? | Clotted? Please repeat | Hämolyseindex 45 | Ej hemolys
        | Hemolysis/Icterus/Lipemia: None | Hemolysis and lipemia not detected
        | Hemolysis: 15 | Hemolysis: <10 | Hemolysis: - | Hemolysis: NEG | Hemolysis: N | Hämolyse: 45""",
}


@pytest.mark.parametrize(
    ("text", "condition"),
    [(text.strip(), condition) for condition, texts in REMARKS.items() for text in texts.split("|")],
)
def test_hl7_2_remarks(text: str, condition: Condition | None) -> None:
    """Hemolysis with its grade, a clot or a contamination; nothing when negated, past, feared only, or of a germ."""
    assert conditions_of(text) == (() if condition is None else (condition,))


OF_THE_RESULT = """Potassium not reported due to hemolysis | Potassium not reported: haemolysed sample
    | Unable to report potassium, not valid because of hemolysis | Critical value not called: hemolyzed
    | Potassium not analysed as sample haemolysed | No potassium result - specimen hemolyzed
    | Haemolysed - not reported | Haemolysed: no result | haemolysed K not reported
    | Kalium nicht verwertbar wegen Hämolyse | nicht bestimmbar: Probe hämolytisch
    | Kalium niet betrouwbaar door hemolyse | Kan ikke analyseres pga hæmolyse | Résultat non rendu: hémolyse
    | Potassium non interprétable en raison d'une hémolyse | No se informa potasio por hemólisis
    | Potassio non refertabile per emolisi"""
OF_THE_TUBE = """Not due to hemolysis | not because of hemolysis | Result not affected by hemolysis
    | Not reported: specimen is not hemolyzed | non per emolisi | If reported as hemolyzed, repeat"""


@pytest.mark.parametrize(
    ("text", "conditions"),
    [(text.strip(), (Condition.HEMOLYZED,)) for text in OF_THE_RESULT.split("|")]
    + [(text.strip(), ()) for text in OF_THE_TUBE.split("|")],
)
def test_hl7_2_a_negation_of_the_result(text: str, conditions: tuple[Condition, ...]) -> None:
    """Where the result is what is not there, hemolysis is why; where hemolysis is negated, it is none."""
    assert conditions_of(text) == conditions


@pytest.mark.parametrize(
    "text", ["Probe stark hämolytisch", "hémolyse marquée", "Hæmolyseret prøve", "prøven er forurenset"]
)
def test_hl7_1_utf_8_under_a_declared_latin_1(text: str) -> None:
    """A sender that declares 8859/1 and writes UTF-8 is read as it declares; its remarks are understood anyway."""
    assert conditions_of(text.encode().decode("latin-1")) == conditions_of(text) != ()
