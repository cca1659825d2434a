import torch

from fairseq_see.llm import compress_embeddings, materialise


def test_smoke(family, model, batch, indexes, tmp_path):
    compress_embeddings(model, index=indexes[family], ratio=None, m=2)
    model.train()
    out = model(**batch)
    out.loss.backward()
    model.eval()
    model.tie_weights()
    with torch.no_grad():
        before = model(**batch).logits
    model.save_pretrained(tmp_path)
    again, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    print(info)
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, before)
    again.save_pretrained(tmp_path / "b")
    materialise(model)
    with torch.no_grad():
        torch.testing.assert_close(model(**batch).logits, before)
    model.save_pretrained(tmp_path / "dense")
    again, info = type(model).from_pretrained(tmp_path / "dense", output_loading_info=True)
    with torch.no_grad():
        torch.testing.assert_close(again(**batch).logits, before)
