"""Which nouns of a class an adjective goes with, where the class alone would allow nonsense."""

from __future__ import annotations

from wordgroups import BREAKABLE, COOKED, HOMES, INSECTS, MEALS, SEASONING, TREES

_READING = "book novel article essay report letter biography diary memoir magazine journal paper guidebook email script"
_HAPPENINGS = (
    "lecture lesson exhibition meeting debate game experiment trip competition show performance party interview"
)
_MENTAL = "idea thought opinion view concept theory plan project experience question topic example dream custom job"
_HARD = "book textbook article paper thesis manual novel contract essay report constitution"
_TEXTUAL = "theory concept word sentence question language principle rule law"
_BLADES = "knife axe saw sickle needle sword arrow hook razor scissors spade shovel hoe"
_JUDGED = "answer method decision choice attitude view theory opinion idea thought concept result word sentence data"
_JEWELRY = "ring necklace earring bracelet crown helmet mask belt veil"
_TRAFFIC = "bus train subway tram ferry ship"

# "adjective class: nouns": of this class, the adjective goes with these nouns only (a dash: with none).
_ONLY = f"""
private document: diary letter file document
private building: school hospital university clinic kindergarten museum library garage villa
private vehicle: car plane yacht helicopter jeep
private room: office room bathroom bedroom study lounge
public place: park square beach garden market playground cemetery road
public building: library school university hospital kindergarten museum
national event: competition exhibition tournament conference
national organization: team institute orchestra association
international event: conference competition tournament exhibition meeting negotiation debate crisis
international organization: company association court team foundation agency alliance corporation union enterprise
military event: conference trial crisis
military organization: court alliance government institute
economic event: crisis conference negotiation
economic organization: alliance association community
political event: crisis meeting revolution election debate negotiation trial strike protest murder conference
political organization: alliance association club
successful event: concert performance operation experiment conference
successful event: meeting show exhibition interview negotiation wedding
successful organization: company team corporation enterprise band orchestra firm agency publisher club foundation choir
urgent event: meeting operation negotiation trip
urgent document: letter notice document message email report announcement
sudden event: accident earthquake flood fire explosion war crisis revolution strike
annual event: meeting conference competition exhibition ceremony banquet
annual document: report summary
final event: exam competition interview rehearsal performance concert battle debate lecture lesson negotiation trial
recent event: election meeting accident crisis exhibition war earthquake conference strike protest
future event: competition exhibition war crisis holiday journey election
previous event: meeting lecture lesson exhibition exam interview
previous event: experiment trip competition performance election operation
long-lasting event: war drought famine battle crisis negotiation debate strike revolution
large-scale event: protest strike war battle exhibition experiment competition fire
large event: exhibition concert competition conference banquet party performance ceremony show
large organization: company corporation enterprise orchestra team foundation band choir
large building: hospital school library museum hotel restaurant
large building: supermarket mall factory station airport stadium warehouse
important event: meeting conference interview lecture lesson exam ceremony competition election debate negotiation trial
important document: report contract agreement letter document notice passport certificate file list map email message
secret event: meeting negotiation trial wedding experiment journey
secret document: letter report agreement document file map list diary draft
historical document: novel document map script
historical event: -
historical building: -
medical document: journal textbook paper article report dictionary
medical organization: institute association
scientific idea: theory method data evidence knowledge fact
scientific document: journal paper report article
scientific organization: institute association
official document: document letter report announcement notice map certificate
official organization: agency association
false document: report advertisement certificate document license contract announcement message diploma
good document: {_READING} textbook dictionary
wonderful document: novel book article essay biography memoir script letter
humorous document: novel book article essay letter script email advertisement postcard
funny document: book novel article script letter postcard email advertisement message
funny art: story film joke cartoon comedy song fable drama picture photo riddle poem sketch
interesting document: {_READING}
interesting event: {_HAPPENINGS}
interesting idea: {_MENTAL} culture tradition language
boring document: {_READING} textbook dictionary contract manual
boring event: {_HAPPENINGS} ceremony rehearsal conference
boring idea: job topic question task life project rule
difficult document: {_HARD}
difficult idea: {_TEXTUAL}
easy document: {_HARD}
easy idea: {_TEXTUAL}
complicated idea: theory problem plan system method relationship question
complicated idea: rule law task project policy structure technique
complicated document: contract manual form map report timetable recipe agreement
complicated feeling: -
high money_thing: price cost fee fare rent tax salary wage bonus pension profit
low money_thing: price cost fee fare rent tax salary wage bonus pension profit
clear idea: plan goal answer reason rule purpose concept
clear idea: view opinion thought standard attitude evidence difference memory
clear document: map summary manual report label notice list
vague idea: concept memory plan answer rule thought idea reason view standard
long document: book novel letter report list article email contract essay paper thesis script
long clothes: coat dress skirt robe gown scarf trousers raincoat cloak shawl
long vehicle: train bus
thick clothes: coat sweater jacket shawl sock glove scarf pajamas mitten
thin clothes: shirt jacket blouse dress sock coat skirt pajamas scarf
soft clothes: sweater scarf shirt coat robe pajamas slipper sock shawl glove blouse
warm clothes: coat sweater scarf glove hat sock jacket shawl pajamas boot mitten
light clothes: jacket coat shoe sneaker raincoat
light furniture: chair stool table bench
light device: laptop camera phone tablet
light instrument: flute guitar harmonica violin
portable instrument: flute guitar harmonica violin
portable device: laptop camera radio printer speaker projector charger
tall building: tower building skyscraper wall castle monument pyramid gate lighthouse palace church
short furniture: table stool cabinet bookcase chair bench shelf
high building: tower building wall bridge fence skyscraper dam lighthouse
low furniture: table stool shelf bed chair bench
deep feeling: love sadness sorrow fear regret guilt hate sympathy gratitude disappointment despair loneliness worry
round container: plate bowl box basin tray pot vase pan saucer basket
square container: box tray case basket plate parcel vase basin bag
flat place: road street square field track highway playground path beach
sharp tool: {_BLADES}
blunt tool: {_BLADES}
broken toy: doll robot toy kite puppet puzzle skateboard block
smooth container: plate bowl vase box cup mug jar basin barrel
rough container: plate bowl vase box cup jar basin barrel basket
empty vehicle: car bus truck taxi train van carriage tram boat
hot drink: tea coffee milk water cocoa
sweet drink: juice tea cocoa cola soda lemonade wine
sour drink: lemonade juice wine
bitter drink: tea coffee beer wine liquor cocoa
old document: book newspaper magazine map letter dictionary diary textbook passport calendar novel
modern art: painting dance drama sculpture poem opera
ancient building: temple church castle tower bridge palace tomb pyramid wall well mosque
ancient instrument: harp organ flute zither lute piano violin
ancient art: legend myth story song poem melody painting fable statue sculpture mural dance drama opera
traditional art: dance opera painting song drama story melody calligraphy
traditional food: dumpling noodle bread cake soup dish breakfast pie porridge tofu
traditional clothes: dress robe costume hat gown skirt cloak shoe
abstract idea: idea concept theory thought principle topic
abstract art: painting sculpture picture poem sketch mural
concrete idea: plan example goal answer suggestion method reason task problem question policy strategy solution
creative idea: idea plan project method solution suggestion approach answer
bold idea: idea plan decision suggestion choice thought dream strategy
radical idea: opinion view theory policy thought plan attitude suggestion
theoretical subject: physics chemistry mathematics linguistics economics
basic idea: principle rule right skill concept knowledge method ability duty problem freedom word sentence question
basic subject: grammar geometry algebra logic
basic tool: -
mutual feeling: interest
mutual idea: goal dream topic language responsibility belief ideal experience memory
wise idea: decision choice advice suggestion strategy policy plan answer method
stupid idea: idea mistake question decision lie plan rule thought answer
correct idea: {_JUDGED}
wrong idea: {_JUDGED}
reasonable idea: plan demand request suggestion decision rule reason law policy solution answer choice
reasonable money_thing: price fee salary rent cost fare budget tax
ridiculous idea: idea plan lie rumor decision rule opinion theory dream reason law mistake demand request
original idea: idea view method approach culture tradition technique custom theory opinion
strange idea: idea dream question custom rule problem habit name reason result rumor word request
strange art: story film painting song picture legend sculpture joke photo dance
terrible idea: idea mistake plan result decision memory habit dream experience rumor
special event: concert lecture meeting birthday ceremony exhibition lesson festival holiday interview party
special idea: ability skill request meaning task plan method
special idea: experience reason talent name memory relationship opportunity
special document: invitation letter report book map notice postcard visa
important idea: {_MENTAL} decision principle rule law task problem reason goal result information evidence right duty
true feeling: love happiness fear sorrow regret gratitude joy
true event: -
simple idea: idea method question answer reason plan principle rule task word sentence solution problem dream life
advanced idea: technology technique method system theory concept culture experience
advanced tool: microscope telescope drill scale
practical tool: umbrella ladder drill lighter knife scissors compass lock screwdriver wrench pliers scale cart
famous place: beach park market village city town island square street zoo harbor garden
famous organization: company band orchestra team publisher club academy choir corporation
beautiful nature: star sky cloud rainbow mountain hill valley waterfall
beautiful nature: lake river stream sea moon forest grassland desert
beautiful time_noun: morning evening night spring summer autumn winter season dusk dawn childhood moment
beautiful place: park garden square street beach coast island farm
beautiful place: field orchard pasture village town city harbor vineyard
quiet place: park garden street lane path beach island village town cemetery vineyard orchard camp
noisy place: market street square playground city harbor town zoo
noisy animal: crow sparrow dog duck goose parrot frog cricket monkey
narrow place: street lane road path
narrow room: corridor room toilet balcony cabin cell kitchen bathroom attic
lively place: market square street town playground city harbor
crowded place: market street square beach playground city zoo
crowded room: classroom hall office dormitory ward
crowded vehicle: {_TRAFFIC}
remote place: village island farm town region district mine province camp country
distant place: village island town region province country city
distant nature: star mountain planet sea forest desert
dangerous place: mine road street highway slum border quarry battlefield intersection region
dangerous animal: lion tiger wolf leopard bear shark crocodile snake spider
dangerous sport: boxing skiing surfing rugby wrestling skating
safe place: beach street city camp village town district region harbor
rural place: road market lane
rural building: school hospital hotel house church clinic inn
peaceful place: village town garden island pasture beach vineyard harbor
peaceful time_noun: night evening afternoon morning dawn
unforgettable time_noun: night summer childhood moment evening weekend
unforgettable event: trip journey wedding concert party birthday game holiday festival performance exhibition
outdoor event: concert wedding party performance lesson exhibition competition
outdoor sport: swimming volleyball badminton tennis football basketball
indoor sport: swimming volleyball badminton tennis football basketball
musical art: comedy drama film
musical event: festival lesson performance competition
thrilling sport: skiing surfing skating boxing
thrilling art: film story drama legend documentary
huge animal: elephant whale bear crocodile ox shark gorilla octopus
huge nature: mountain wave cloud volcano cave iceberg lake waterfall glacier cliff planet
tiny nature: star stream
tiny plant: seed leaf flower seedling
fierce animal: lion tiger wolf leopard bear shark crocodile dog eagle
tame animal: horse deer dog cat sheep elephant rabbit donkey cow ox camel
naughty animal: monkey cat dog kitten puppy parrot squirrel goat rabbit
cruel animal: -
annoying animal: fly mosquito mouse crow ant dog spider bee
terrifying animal: snake crocodile shark wolf spider bear lion tiger leopard bat
loyal animal: dog horse
clever animal: dog monkey dolphin parrot fox elephant cat horse crow gorilla
colourful plant: flower rose lily tulip orchid peony chrysanthemum azalea lotus violet
digital device: camera watch television clock radio screen thermometer
smart device: phone watch television camera speaker fridge
heavy container: suitcase box bag backpack bucket basket parcel barrel case pot coffin bundle cage handbag
heavy furniture: table desk wardrobe sofa bookcase cabinet safe bed mirror shelf
heavy instrument: piano cello organ accordion
comfortable vehicle: car bus train taxi ship plane van carriage
comfortable furniture: sofa chair bed armchair mattress pillow cushion quilt blanket bench
luxurious vehicle: car yacht ship plane train
luxurious building: hotel villa palace restaurant apartment mall
luxurious room: bedroom bathroom kitchen hall parlor lounge office study
fast vehicle: train car boat subway ship
slow vehicle: train bus boat truck ferry tram tractor carriage
strict organization: army court team club
reliable organization: company agency firm publisher team
independent organization: company court agency institute enterprise
monthly money_thing: rent salary fee budget wage cost bill bonus
monthly document: report magazine journal
total money_thing: cost budget debt profit
exact money_thing: price cost
natural material: gas rubber diamond pearl
artificial material: diamond leather pearl
golden clothes: crown ring necklace gown dress
golden container: cup bowl box plate vase bottle
wooden furniture: table chair desk bed stool bench cabinet shelf bookcase wardrobe cradle counter drawer cupboard
pretty toy: doll kite puppet balloon
"""
_ONLY_WORDS = {
    ("wide", "building"): HOMES | {"library", "gym", "hall", "station", "church"},
    ("tall", "plant"): TREES,
    ("short", "plant"): TREES | {"bush"},
    ("broken", "container"): BREAKABLE,
    ("hot", "food"): COOKED | {"bread", "pie", "hamburger", "pizza"},
}
_JEWELS = frozenset(_JEWELRY.split())
_NEVER_WORDS = {
    ("lovely", "animal"): INSECTS - {"butterfly"} | {"wolf", "bear", "leopard", "octopus", "ox"},
    ("wild", "animal"): frozenset(("goldfish", "puppy", "kitten", "dragon", "cow")),
    ("delicious", "food"): SEASONING | {"onion"},
    ("tasty", "food"): SEASONING | {"onion"},
    ("fresh", "food"): SEASONING | MEALS | {"candy", "chocolate", "cookie", "popcorn", "pudding"},
    ("wet", "clothes"): _JEWELS,
    ("dry", "clothes"): _JEWELS,
    ("comfortable", "clothes"): _JEWELS,
    ("huge", "building"): frozenset(("well", "cottage", "tent")),
}
_EMINENT = frozenset(
    [
        "doctor",
        "professor",
        "scholar",
        "expert",
        "scientist",
        "mathematician",
        "physicist",
        "chemist",
        "historian",
        "philosopher",
        "economist",
        "engineer",
        "designer",
        "architect",
        "writer",
        "author",
        "poet",
        "reporter",
        "director",
        "actor",
        "singer",
        "dancer",
        "painter",
        "musician",
        "photographer",
        "magician",
        "lawyer",
        "judge",
        "general",
        "banker",
        "chef",
        "astronaut",
        "coach",
        "athlete",
        "hero",
        "model",
    ]
)
_FOREIGN = frozenset(
    [
        "teacher",
        "student",
        "doctor",
        "nurse",
        "professor",
        "expert",
        "scientist",
        "engineer",
        "writer",
        "reporter",
        "actor",
        "singer",
        "dancer",
        "painter",
        "tourist",
        "merchant",
        "worker",
        "ambassador",
        "soldier",
        "spy",
        "patient",
        "customer",
        "investor",
        "passenger",
        "athlete",
        "photographer",
        "musician",
    ]
)
_LOCAL = frozenset(
    [
        "teacher",
        "student",
        "doctor",
        "nurse",
        "policeman",
        "driver",
        "farmer",
        "fisherman",
        "official",
        "reporter",
        "worker",
        "merchant",
        "chef",
        "hunter",
        "miner",
        "lawyer",
        "guard",
        "miner",
        "butcher",
        "baker",
        "plumber",
        "electrician",
    ]
)
_BY_PERSON = {
    "famous": _EMINENT,
    "foreign": _FOREIGN,
    "local": _LOCAL,
    "great": _EMINENT,
    "excellent": _EMINENT | {"teacher", "student", "worker", "nurse", "employee"},
}


def _table(text: str) -> dict[tuple[str, str], frozenset[str]]:
    rows = (line.split(": ") for line in text.strip().splitlines())
    table: dict[tuple[str, str], frozenset[str]] = {}
    for head, nouns in rows:
        adjective, cls = head.split()
        table[adjective, cls] = table.get((adjective, cls), frozenset()) | frozenset(nouns.split()) - {"-"}
    return table


_ALLOWED = _table(_ONLY) | _ONLY_WORDS | {(adjective, "person"): nouns for adjective, nouns in _BY_PERSON.items()}


def suits(adjective: str, noun: str, cls: str) -> bool:
    """Whether the English adjective goes with the English noun of this class."""
    allowed = _ALLOWED.get((adjective, cls))
    return (allowed is None or noun in allowed) and noun not in _NEVER_WORDS.get((adjective, cls), ())
