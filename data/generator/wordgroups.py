"""Groups of nouns finer than the semantic classes, for naming what goes with what."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SEASONING = _words("sugar salt pepper vinegar sauce honey jam butter cream garlic ginger")
MEALS = _words("breakfast lunch dinner dish snack")
COOKED = _words(
    "rice noodle dumpling sausage steak beef pork mutton meat egg soup porridge tofu potato cabbage mushroom corn "
    "pumpkin eggplant spinach shrimp breakfast lunch dinner dish carrot"
)
PREPARED = COOKED | _words("bread cake pie biscuit sandwich hamburger pizza salad cookie pudding chocolate candy")
HOME_MADE = _words(
    "bread cake pie biscuit dumpling sandwich hamburger pizza soup salad tofu cheese yogurt jam candy cookie pudding"
)
ROAD = _words("car taxi bus truck jeep van ambulance tractor motorcycle")
CYCLES = _words("bicycle tricycle scooter motorcycle wheelchair")
BOATS = _words("boat yacht canoe raft")
MACHINES = ROAD | CYCLES | BOATS | _words("train tram plane helicopter ship ferry submarine tank cart sled")
STRUCTURES = _words("bridge gate fence wall well dam tunnel lighthouse monument tomb pyramid pavilion tent tower mill")
HOMES = _words("house apartment villa cottage office shop store warehouse garage barn restaurant cafe bar factory")
DISHES = _words("cup mug glass bottle jar bowl plate saucer teapot kettle pot pan basin vase tray")
BREAKABLE = _words("cup mug glass bottle jar bowl plate saucer teapot vase basin")
CLOSABLE = _words("bottle jar can box case suitcase bag backpack purse handbag parcel barrel")
SOFT_FURNITURE = _words("carpet rug curtain pillow cushion quilt blanket mattress")
SMALL_PARTS = _words(
    "nail screw match candle needle thread button eraser sponge rope arrow wire towel toothbrush chopsticks"
)
BOOKS = _words(
    "book novel textbook dictionary encyclopedia manual guidebook biography diary memoir magazine journal newspaper "
    "bible brochure"
)
WRITINGS = _words(
    "article essay paper thesis report letter email message note notice announcement proposal petition script draft "
    "summary postcard recipe contract agreement"
)
FORMAL = _words("report paper thesis contract agreement document proposal script draft form summary list petition")
PRIVATE = _words("letter diary document file draft contract map note list passport ticket photo")
WATCHED = _words("film documentary cartoon comedy tragedy drama opera dance")
HEARD = _words("song melody symphony opera concerto lullaby anthem story joke legend")
VISUAL = _words("painting portrait sketch picture photo mural sculpture statue calligraphy")
PLANNED = _words(
    "meeting conference lecture ceremony wedding party banquet picnic concert exhibition performance rehearsal show "
    "competition tournament race election debate negotiation interview exam funeral trial protest"
)
JOINED = PLANNED - _words("trial election") | _words("game strike revolution battle war experiment lesson festival")
DISASTERS = _words(
    "war battle revolution crisis accident earthquake flood drought fire explosion famine robbery murder strike protest"
)
PROPOSALS = _words(
    "idea opinion view plan strategy project policy system method approach suggestion decision request demand order "
    "rule law standard solution theory principle choice goal topic reason advice"
)
MEASURES = _words("plan strategy project policy system method order rule law solution decision suggestion")
SAYABLE = _words("idea thought opinion view hope attitude belief dream suggestion love request demand advice")
CHANGEABLE = _words(
    "idea opinion view plan strategy project policy system method attitude decision rule law life habit "
    "tradition custom "
    "fate culture society name goal character technique technology structure relationship topic"
)
DOUBTED = _words(
    "theory belief truth fact evidence proof rumor method ability information data answer result decision "
    "opinion reason purpose promise talent policy plan strategy"
)
SHARED = _words(
    "idea opinion view experience information data knowledge secret dream hope success memory wisdom method "
    "answer thought skill technique"
)
INSECTS = _words("bee butterfly ant spider mosquito fly cricket worm snail mouse snake bat lizard crocodile shark crow")
PETS = _words(
    "dog cat horse cow ox sheep goat pig donkey camel rabbit chicken duck goose turkey pigeon parrot goldfish fish "
    "turtle bird bee puppy kitten snake squirrel hedgehog peacock"
)
TRAINABLE = _words("dog horse monkey elephant dolphin parrot pigeon lion tiger bear seal puppy camel")
PREDATORS = _words("cat dog lion tiger leopard wolf fox eagle owl snake crocodile bear shark kitten puppy")
PREY = _words("mouse bird fish rabbit frog chicken duck sparrow squirrel goat sheep deer lizard crab goose")
FLYERS = _words(
    "bird eagle owl swan crane sparrow swallow crow pigeon bee butterfly bat parrot fly mosquito goose dragon"
)
TREES = _words("tree pine willow oak maple palm bamboo")
PLANT_PARTS = _words("leaf branch root blossom moss fern reed")
PASSAGES = _words("street road lane highway path square border field park playground market crossroads battlefield")
LAND = _words("mountain valley cave desert forest jungle grassland swamp sea ocean volcano glacier river plain")
PROTECTED = _words("forest grassland river lake sea ocean mountain earth stream pond swamp waterfall desert jungle sky")
UNLOVED = _words("dust mud smoke shadow flame ice tide")
PAYABLE = _words("fee fare rent bill tax fine salary wage bonus pension debt deposit donation cost loan")
ADJUSTABLE = _words("price cost fee fare rent tax salary wage bonus pension budget profit fine deposit debt")
FORECAST = _words("rain snow wind storm typhoon tornado blizzard fog hail frost thunder lightning shower drizzle")
COMPANIES = _words("company corporation enterprise")
OFFICES = _words(
    "government ministry court parliament senate council committee association union institute academy "
    "company corporation enterprise agency firm university foundation alliance publisher police"
)
PORTABLE = _words("computer laptop tablet phone camera watch radio calculator headphones drone clock telephone")
SWITCHED = _words(
    "computer laptop tablet phone television radio camera printer scanner projector monitor server router "
    "fridge oven stove microwave heater engine motor pump generator drone screen microphone speaker lamp"
)
CARRIED = _words("bucket basket box case suitcase bag handbag kettle bottle")
