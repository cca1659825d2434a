"""Closed word lists the grammar consults where the lexicon's semantic classes are too coarse."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NUMBERS = (
    ("两", "two"),
    ("三", "three"),
    ("四", "four"),
    ("五", "five"),
    ("六", "six"),
    ("七", "seven"),
    ("八", "eight"),
    ("九", "nine"),
    ("十", "ten"),
    ("十二", "twelve"),
    ("二十", "twenty"),
)

# Chinese measure words that English renders with a unit noun: (singular, plural).
PARTITIVES = {
    "碗": ("bowl", "bowls"),
    "勺": ("spoonful", "spoonfuls"),
    "杯": ("cup", "cups"),
    "瓶": ("bottle", "bottles"),
    "桶": ("bucket", "buckets"),
    "袋": ("bag", "bags"),
    "包": ("bag", "bags"),
    "罐": ("can", "cans"),
    "块": ("piece", "pieces"),
    "片": ("slice", "slices"),
    "份": ("piece", "pieces"),
    "串": ("bunch", "bunches"),
    "团": ("ball", "balls"),
    "匹": ("roll", "rolls"),
    "吨": ("ton", "tons"),
    "头": ("head", "heads"),
    "把": ("bunch", "bunches"),
    "根": ("stick", "sticks"),
    "件": ("piece", "pieces"),
    "套": ("set", "sets"),
    "条": ("piece", "pieces"),
    "笔": ("sum", "sums"),
    "幅": ("piece", "pieces"),
    "滴": ("drop", "drops"),
}
# Measures that portion out even countable nouns: 一碗面条 is "a bowl of noodles".
WHOLE_ONLY_MEASURES = _words("碗 勺 杯 瓶 桶 袋 包 罐 串 团 吨")

PAIRED = _words(
    "trousers jeans shorts pajamas scissors pliers headphones chopsticks glove mitten sock shoe boot sandal "
    "slipper sneaker earring"
)

FAMILY = _words(
    "father mother son daughter brother sister grandfather grandmother uncle aunt nephew husband wife niece cousin"
)
ALWAYS_POSSESSED = FAMILY | _words("friend classmate colleague neighbor")
# People one may call one's own: "my doctor", but hardly "my skipper".
POSSESSABLE = ALWAYS_POSSESSED | _words(
    "teacher student doctor dentist lawyer coach assistant secretary driver boss manager principal leader "
    "landlord guest "
    "customer employee servant tailor child baby tenant editor accountant barber consultant hero classmate"
)
# Nouns English prefers in the plural where Chinese has the bare noun.
PLURAL_WHEN_BARE = _words("noodle grape bean nut peanut dumpling biscuit popcorn")
POSSESSION_WITHOUT_DE = ALWAYS_POSSESSED | _words("teacher boss")
BODY_SINGULAR_ONLY = _words(
    "head face nose mouth tongue chin forehead brain neck throat back chest heart stomach liver skin beard tail"
)
OUTER_BODY = _words(
    "head face eye ear nose mouth lip cheek chin forehead neck shoulder arm elbow wrist hand finger thumb "
    "back chest knee "
    "leg foot toe beard"
)
PAINFUL_BODY = _words(
    "head eye ear nose tooth tongue neck throat shoulder arm elbow wrist hand finger thumb back chest stomach knee leg "
    "foot toe"
)
ANIMAL_BODY = _words("tail wing feather")
# Adjectives that stand before a noun without 的: 大房子, 国际会议.
MONOSYLLABIC_BARE = _words(
    "大 小 新 旧 老 好 坏 长 高 红 白 黑 热 冷 空 国际 国家级 军事 经济 政治 年度 私人 公共 官方 秘密 医学 "
    "科学 历史 电子 数字 智能 "
    "户外 室内 乡村 外国 本地 野生 热带 天然 人造 慢性 大型 "
    "大规模 现代 传统 经典 流行 理论 二手 木制 便携 基本 音乐 紧急 暴力"
)
UNIQUE = _words("sun moon earth sky sea ocean police")
DRUNK_FROM_GLASSES = _words("water milk juice lemonade cocktail")
# Uncountable nouns outside food, drink and material that can still be portioned out.
PORTIONED = _words("information advice evidence underwear calligraphy")
# Chinese says 是…的 with these instead of 很.
NOT_GRADABLE = _words("方形 空 满 红色 蓝色 绿色 黄色 白色 黑色 灰色 棕色 粉色 紫色 有毒 圆 真实 私人 独立")

STATIVE = _words(
    "like love hate prefer fear envy pity respect trust miss know own remember understand doubt support oppose believe "
    "admire enjoy believe_in need want"
)
PSYCH = _words("like love hate fear envy respect trust miss admire")
RESULTATIVE_ENDINGS = (
    "到",
    "见",
    "上",
    "下",
    "起",
    "掉",
    "会",
    "好",
    "碎",
    "满",
    "空",
    "死",
    "愈",
    "坏",
    "出",
    "住",
    "进",
    "丢",
)
# (no progressive although not resultative in form, progressive although the ending looks resultative)
NO_PROGRESSIVE = (
    _words(
        "完成 离开 打开 烧毁 摧毁 加入 目睹 成功 毕业 死 赢 到达 抵达 出现 消失 发生 结束 醒来 回来 "
        "站起来 娶 结婚 退休 辞职 "
        "创办 发明 熬夜 坐下 躺下 摔倒 出发 取消 推迟 同意 公布 否定 抛锚 康复 道歉 起床 认识"
    ),
    _words("提出 演出"),
)

# Adjectives that fit only some nouns of their class.
ADJECTIVES_ONLY = {
    "infectious": _words("flu pneumonia malaria infection virus"),
    "chronic": _words("cough asthma diabetes headache insomnia allergy stomachache"),
    "tropical": _words("palm lily orchid fish bird parrot butterfly lizard"),
    "electronic": _words("piano organ dictionary newspaper magazine ticket email toy invitation"),
    "spicy": _words("noodle soup dish tofu beef chicken shrimp sauce"),
    "annual": _words("meeting conference competition exhibition festival tournament report budget"),
    "military": _words("conference exercise government court academy institute"),
    "pregnant": _words("dog cat horse cow sheep goat pig panda elephant"),
    "salty": _words("soup dish fish noodle"),
}

COMPANY_VERBS = _words("produce import export advertise process transport buy sell test design increase reduce")
PUBLISHING_VERBS = _words("publish print")
THE_INSTRUMENT = _words("play practise learn master hear")
MOTION = _words(
    "get_up arrive leave enter reach climb cross disappear appear escape die retire graduate resign recover expand"
) | {"come back", "set off", "wake up", "get up", "move house", "stay up", "turn on", "turn off", "travel", "live"}
NOT_IN_PLACES = {
    "accidental": _words(
        "lose drop break die fall forget notice hear see smell meet recognize disappear appear cough "
        "recover succeed win witness cry happen catch receive hurt frighten steal doubt hide kill "
        "attack destroy burn conceal feel hit retire escape quarrel fight"
    )
    | {"break down", "wake up", "tear up", "lie down"},
}
ON_PLACES = _words("balcony beach island farm playground coast street road highway path square dock pasture")
IN_PLACES = _words(
    "park garden lane market field orchard vineyard village town city suburb district region province country capital "
    "mine camp cemetery zoo slum house apartment villa cottage palace castle prison barn stable "
    "greenhouse garage church "
    "temple mosque office shop supermarket warehouse bookstore library classroom"
)

SUBJECT_THINGS = [
    "food",
    "drink",
    "clothes",
    "furniture",
    "tool",
    "vehicle",
    "building",
    "room",
    "place",
    "device",
    "document",
    "art",
    "event",
    "organization",
    "idea",
    "sport",
    "container",
    "instrument",
    "toy",
    "nature",
    "plant",
    "animal",
    "subject",
    "illness",
    "money_thing",
    "feeling",
    "material",
]
DISPOSAL = _words(
    "open close fill empty lift drop break lose hide burn fix sell finish cancel delay eat drink wash lock "
    "clean repair destroy rent move edit wipe fold paint"
) | {"throw away", "take off", "tear up", "turn off", "turn on", "put on", "cut down", "hand in", "pick up"}
# Verbs that form a 被-passive, with the Chinese resultative that replaces the bare verb.
PASSIVE = {
    "eat": "吃掉",
    "steal": "偷走",
    "break": "打碎",
    "criticize": "批评",
    "praise": "表扬",
    "invite": "邀请",
    "catch": "抓住",
    "save": "救出",
    "kill": "杀死",
    "cancel": "取消",
    "delay": "推迟",
    "burn": "烧毁",
    "destroy": "摧毁",
    "lose": "弄丢",
    "throw away": "扔掉",
    "cut down": "砍掉",
    "frighten": "吓坏",
    "interview": "采访",
    "attack": "攻击",
    "reject": "否定",
    "tear up": "撕碎",
    "repair": "修好",
    "sell": "卖掉",
    "turn off": "关掉",
    "forget": "遗忘",
    "reduce": "降低",
    "find": "找到",
    "recognize": "认出",
    "drink": "喝光",
    "lock": "锁上",
    "move": "搬走",
    "cure": "治愈",
    "translate": "翻译出来",
    "hide": "藏起来",
    "hurt": "伤害",
    "buy": "买走",
    "accept": "接受",
    "open": "打开",
    "publish": "出版",
    "rebuild": "重建",
}
LANGUAGES_SPOKEN = ("language",)
FEARSOME = _words("storm typhoon tornado blizzard fog hail rain snow wind thunder lightning frost")
MALADIES = _words(
    "cold flu fever cough headache toothache stomachache cancer diabetes asthma pneumonia malaria insomnia "
    "allergy infection depression"
)
FRIENDLY_CLASSES = _words(
    "food drink clothes furniture tool vehicle device document art instrument toy container building room"
)
